//! Resizes a whole picture, as Pillow before 13 does in every byte.
//!
//! In: a [`Picture`], a size and a [`Filter`]. Out: the resized picture. This module must not know
//! what the size is for.

use std::borrow::Cow;

use super::Picture;
use super::decode::Limits;
use super::resample::{Filter, Window, across, down, windows};
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// A picture is passed down first if it is more than this many times as high as wide, and its
/// height shrinks. The two orders round differently.
const TALL: usize = 100;

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
    let bytes = picture.width.checked_mul(picture.height);
    let bytes = bytes.and_then(|pixels| pixels.checked_mul(3));
    if picture.rgb.is_empty() || bytes != Some(picture.rgb.len()) {
        let Picture { width, height, .. } = picture;
        let found = picture.rgb.len();
        return Err(Error::ImageDamaged {
            file: "the picture to resize".into(),
            reason: format!("{found} bytes are not {width} x {height} pixels of three bytes"),
        });
    }
    Limits::default().check("the resized picture", (side(width), side(height)))?;
    let is_tall = picture.height > TALL.saturating_mul(picture.width);
    let whole = Cow::Borrowed(picture);
    let resized = if is_tall && height < picture.height {
        pass_across(pass_down(whole, height, filter, stop)?, width, filter, stop)?
    } else {
        pass_down(
            pass_across(whole, width, filter, stop)?,
            height,
            filter,
            stop,
        )?
    };
    let mut resized = resized.into_owned();
    resized.notices.clear();
    Ok(resized)
}

/// For a comparison with limits, which are far below the largest `u32`.
fn side(px: usize) -> u32 {
    u32::try_from(px).unwrap_or(u32::MAX)
}

/// The picture with another width.
fn pass_across<'a>(
    picture: Cow<'a, Picture>,
    width: usize,
    filter: Filter,
    stop: &StopFlag,
) -> Result<Cow<'a, Picture>> {
    if picture.width == width {
        return Ok(picture);
    }
    let between = (side(width), side(picture.height));
    Limits::default().check("the picture between two passes of a resize", between)?;
    let windows = windows(filter, picture.width, width);
    // Nothing lies beside the picture.
    let windows: Vec<(Window, i32)> = windows.into_iter().map(|window| (window, 0)).collect();
    let line = 3 * width;
    let mut rgb = vec![0; picture.height * line];
    let rows = picture.rgb.chunks_exact(3 * picture.width);
    for (row, out) in rows.zip(rgb.chunks_exact_mut(line)) {
        stop.check()?;
        across(row, &windows, [0; 3], out);
    }
    Ok(Cow::Owned(Picture {
        width,
        height: picture.height,
        rgb,
        notices: Vec::new(),
    }))
}

/// The picture with another height.
fn pass_down<'a>(
    picture: Cow<'a, Picture>,
    height: usize,
    filter: Filter,
    stop: &StopFlag,
) -> Result<Cow<'a, Picture>> {
    if picture.height == height {
        return Ok(picture);
    }
    let windows = windows(filter, picture.height, height);
    let line = 3 * picture.width;
    let row = |y: usize| &picture.rgb[y * line..(y + 1) * line];
    let rgb = down(row, &windows, line, stop)?;
    Ok(Cow::Owned(Picture {
        width: picture.width,
        height,
        rgb,
        notices: Vec::new(),
    }))
}
