//! Resizes a whole picture, or a part of the result, as Pillow before 13 does in every byte.
//!
//! In: a [`Picture`], a size and a [`Filter`]. Out: the resized picture. This module must not know
//! what the size is for.

use std::borrow::Cow;
use std::ops::Range;

use super::Picture;
use super::decode::Limits;
use super::resample::{Filter, Window, across, down, windows};
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// A picture is passed down first if it is more than this many times as high as wide, and its
/// height shrinks. The two orders round differently.
const TALL: usize = 100;

/// A rectangle of a resized picture.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Height and width of the whole, in pixels.
    pub whole_px: [usize; 2],
    /// Within the whole's height.
    pub rows: Range<usize>,
    /// Within the whole's width.
    pub columns: Range<usize>,
}

/// Resizes `picture` to `[height, width]` pixels; the aspect ratio may change. Each of the two
/// passes, across and then down, rounds to bytes; a side that keeps its length is not passed over.
/// Equals `Image.resize` of Pillow before 13 (from 13 on other pictures are passed down first, with
/// other bytes). The result has no notices.
///
/// # Errors
/// [`Error::ImageDamaged`] if `picture.rgb` is not `[height, width, 3]`, or if a side before or
/// after has no pixels. [`Error::ImageTooLarge`], before anything is allocated, if the result, or
/// the picture between the two passes, is larger than the default [`Limits`]. [`Error::Stopped`].
pub fn resize(
    picture: &Picture,
    [height, width]: [usize; 2],
    filter: Filter,
    stop: &StopFlag,
) -> Result<Picture> {
    let part = Part {
        whole_px: [height, width],
        rows: 0..height,
        columns: 0..width,
    };
    resize_part(picture, &part, filter, stop)
}

/// As [`resize`], but only a part of the result, with the bytes that it has there; what lies
/// outside is not computed, and has no limits.
pub(super) fn resize_part(
    picture: &Picture,
    part: &Part,
    filter: Filter,
    stop: &StopFlag,
) -> Result<Picture> {
    check(picture)?;
    let size = (side(part.columns.len()), side(part.rows.len()));
    Limits::default().check("the resized picture", size)?;
    let height = part.whole_px[0];
    let lower = (height != picture.height)
        .then(|| windows(filter, picture.height, height, part.rows.clone()));
    let is_tall = picture.height > TALL.saturating_mul(picture.width);
    let whole = Cow::Borrowed(picture);
    let resized = match &lower {
        Some(lower) if is_tall && height < picture.height => {
            let picture = pass_down(&whole, 0, lower, stop)?;
            let rows = 0..picture.height;
            pass_across(Cow::Owned(picture), rows, part, filter, stop)?
        }
        Some(lower) => {
            let rows = reach(lower);
            let first = rows.start;
            let picture = pass_across(whole, rows, part, filter, stop)?;
            Cow::Owned(pass_down(&picture, first, lower, stop)?)
        }
        None => pass_across(whole, part.rows.clone(), part, filter, stop)?,
    };
    let mut resized = resized.into_owned();
    resized.notices.clear();
    Ok(resized)
}

/// Refuses a picture ([`Error::ImageDamaged`]) of other bytes than its size says, or of none.
pub(super) fn check(picture: &Picture) -> Result<()> {
    let Picture { width, height, .. } = picture;
    let bytes = width.checked_mul(*height);
    let bytes = bytes.and_then(|pixels| pixels.checked_mul(3));
    if picture.rgb.is_empty() || bytes != Some(picture.rgb.len()) {
        let found = picture.rgb.len();
        return Err(Error::ImageDamaged {
            file: "the picture to resize".into(),
            reason: format!("{found} bytes are not {width} x {height} pixels of three bytes"),
        });
    }
    Ok(())
}

/// For a comparison with limits, which are far below the largest `u32`.
pub(super) fn side(px: usize) -> u32 {
    u32::try_from(px).unwrap_or(u32::MAX)
}

/// The pixels that any of the windows reads.
fn reach(windows: &[Window]) -> Range<usize> {
    let first = windows.iter().map(|window| window.first).min();
    let ends = windows
        .iter()
        .map(|window| window.first + window.weights.len());
    first.unwrap_or(0)..ends.max().unwrap_or(0)
}

/// Some rows of the picture, with another width, or a part of it.
fn pass_across<'a>(
    picture: Cow<'a, Picture>,
    rows: Range<usize>,
    part: &Part,
    filter: Filter,
    stop: &StopFlag,
) -> Result<Cow<'a, Picture>> {
    let (width, columns) = (part.whole_px[1], part.columns.clone());
    let is_all = rows == (0..picture.height) && columns == (0..picture.width);
    if is_all && width == picture.width {
        return Ok(picture);
    }
    let between = (side(columns.len()), side(rows.len()));
    Limits::default().check("the picture between two passes of a resize", between)?;
    let (line, height) = (3 * columns.len(), rows.len());
    let source = |y: usize| {
        let line = 3 * picture.width;
        picture
            .rgb
            .get(y * line..(y + 1) * line)
            .unwrap_or_default()
    };
    let mut rgb = vec![0; height * line];
    let lines = rows.zip(rgb.chunks_exact_mut(line));
    if width == picture.width {
        for (y, out) in lines {
            let kept = source(y).get(3 * columns.start..3 * columns.end);
            out.copy_from_slice(kept.unwrap_or_default());
        }
    } else {
        let windows = windows(filter, picture.width, width, columns);
        // Nothing lies beside the picture.
        let windows: Vec<(Window, i32)> = windows.into_iter().map(|window| (window, 0)).collect();
        for (y, out) in lines {
            stop.check()?;
            across(source(y), &windows, [0; 3], out);
        }
    }
    Ok(Cow::Owned(Picture {
        width: line / 3,
        height,
        rgb,
        notices: Vec::new(),
    }))
}

/// The picture with another height, a row for each window. Its first row is row `first` of what the windows count in.
fn pass_down(
    picture: &Picture,
    first: usize,
    windows: &[Window],
    stop: &StopFlag,
) -> Result<Picture> {
    let line = 3 * picture.width;
    let row = |y: usize| {
        let y = y - first;
        &picture.rgb[y * line..(y + 1) * line]
    };
    let rgb = down(row, windows, line, stop)?;
    Ok(Picture {
        width: picture.width,
        height: windows.len(),
        rgb,
        notices: Vec::new(),
    })
}
