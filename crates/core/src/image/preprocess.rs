//! Converts a picture to `pixel_values`: pad, resize, normalise (the release's `expand2square` and
//! CLIP image processor).
//!
//! In: a [`Picture`] and the side S = N * P. Out: the square's bytes, and its normalised f32. This
//! module must not know what N and P are, or how the square is cropped later.

use std::ops::Range;

use super::Picture;
use super::resample::{Filter, Window, across, down, windows};
use crate::error::Result;
use crate::progress::StopFlag;

/// How bytes are normalised for a tower: `(byte / 255 - mean) / std`, by channel (red, green,
/// blue).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalise {
    /// Mean of values in 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of values in 0..1.
    pub std: [f32; 3],
}

impl Normalise {
    /// The values of CLIP.
    #[expect(
        clippy::excessive_precision,
        reason = "the digits of preprocessor_config.json"
    )]
    pub const CLIP: Normalise = Normalise {
        mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
        std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
    };

    /// The values of SigLIP and SmolVLM: from -1 to 1.
    pub const HALVES: Normalise = Normalise {
        mean: [0.5; 3],
        std: [0.5; 3],
    };
}

/// Colour of the padding around a picture that is not square: `int(255 * mean)`.
pub const PAD_COLOUR: [u8; 3] = [122, 116, 104];

/// A picture in the middle of a square of one colour. The square is never allocated: padding is a
/// constant outside the picture.
struct Padded<'a> {
    picture: &'a Picture,
    /// Of the padding.
    colour: [u8; 3],
    /// Side of the square: the longer side of the picture.
    side: usize,
    /// Columns of padding on the left.
    left: usize,
    /// Rows of padding on top.
    top: usize,
}

impl<'a> Padded<'a> {
    /// As LLaVA's `expand2square`: offsets are rounded down, so that an odd remainder is at the
    /// right or bottom.
    fn new(picture: &'a Picture, colour: [u8; 3]) -> Self {
        let side = picture.width.max(picture.height);
        let (left, top) = ((side - picture.width) / 2, (side - picture.height) / 2);
        Padded {
            picture,
            colour,
            side,
            left,
            top,
        }
    }

    /// The picture's bytes in row `y` of the square, `[width, 3]`; `None` in the padding.
    fn row(&self, y: usize) -> Option<&'a [u8]> {
        let y = y
            .checked_sub(self.top)
            .filter(|&y| y < self.picture.height)?;
        let length = self.picture.width * 3;
        self.picture.rgb.get(y * length..(y + 1) * length)
    }
}

/// Pads `picture` to a centred square and resizes that to `side_px`, byte for byte as the release
/// does with Pillow (`expand2square`, then BICUBIC). Returns `[side_px, side_px, 3]`.
///
/// Never fails: bytes missing from `picture.rgb` (`[height, width, 3]`) count as padding.
pub fn square_u8(picture: &Picture, side_px: usize) -> Vec<u8> {
    // This flag is never set, so there is no error.
    square_u8_watched(picture, side_px, &StopFlag::default()).unwrap_or_default()
}

/// As [`square_u8`], but stops when `stop` is set.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub fn square_u8_watched(picture: &Picture, side_px: usize, stop: &StopFlag) -> Result<Vec<u8>> {
    square_part(
        picture,
        PAD_COLOUR,
        side_px,
        0..side_px,
        Filter::Bicubic,
        stop,
    )
}

/// As [`square_u8_watched`], but with padding of any colour, by any filter, and only the square
/// `part` of the result, within `0..side_px` along either side: `[part, part, 3]`.
pub(super) fn square_part(
    picture: &Picture,
    colour: [u8; 3],
    side_px: usize,
    part: Range<usize>,
    filter: Filter,
    stop: &StopFlag,
) -> Result<Vec<u8>> {
    let padded = Padded::new(picture, colour);
    if padded.side == side_px || padded.side == 0 {
        return Ok(copy(&padded, part)); // Pillow skips a pass that changes no size
    }
    let line = part.len() * 3;
    let windows = windows(filter, padded.side, side_px, part);
    let clipped: Vec<(Window, i32)> = windows
        .iter()
        .map(|w| w.clipped(padded.left, picture.width))
        .collect();

    // First all rows of the picture, from its width to that of the part; all rows of padding are
    // equal.
    let mut padding_row = vec![0; line];
    let nothing: Vec<(Window, i32)> = windows.iter().map(|w| w.clipped(0, 0)).collect();
    across(&[], &nothing, colour, &mut padding_row);
    let mut narrow = vec![0; picture.height * line];
    for (y, out) in narrow.chunks_exact_mut(line.max(1)).enumerate() {
        stop.check()?;
        match padded.row(padded.top + y) {
            Some(row) => across(row, &clipped, colour, out),
            None => out.copy_from_slice(&padding_row),
        }
    }

    // Then all columns.
    let row = |y: usize| {
        let inside = y.checked_sub(padded.top).filter(|&y| y < picture.height);
        inside.map_or(&padding_row[..], |y| &narrow[y * line..(y + 1) * line])
    };
    down(row, &windows, line, stop)
}

/// A part of the padded square unchanged, for a picture that already has the requested size.
fn copy(padded: &Padded, part: Range<usize>) -> Vec<u8> {
    let mut square = padded.colour.repeat(part.len() * part.len());
    let columns = padded.left..padded.left + padded.picture.width;
    let columns = columns.start.max(part.start)..columns.end.min(part.end);
    for (y, out) in part
        .clone()
        .zip(square.chunks_exact_mut((part.len() * 3).max(1)))
    {
        if let Some(row) = padded.row(y)
            && !columns.is_empty()
        {
            let row = &row[3 * (columns.start - padded.left)..3 * (columns.end - padded.left)];
            out[3 * (columns.start - part.start)..][..row.len()].copy_from_slice(row);
        }
    }
    square
}

/// Normalises a picture and moves channels to the front: `pixels` `[height, width, 3]` -> `[3,
/// height, width]`, about -1.8..2.2. Precision as in Hugging Face's CLIP processor: the scaling in
/// f64 rounded to f32, the rest in f32.
pub fn pixel_values(pixels: &[u8], normalise: Normalise) -> Vec<f32> {
    const RESCALE: f64 = 0.003_921_568_627_450_98; // preprocessor_config.json's rescale_factor
    let Normalise { mean, std } = normalise;
    let mut values = Vec::with_capacity(pixels.len());
    for channel in 0..3 {
        let table: [f32; 256] = std::array::from_fn(|byte| {
            ((byte as f64 * RESCALE) as f32 - mean[channel]) / std[channel]
        });
        let bytes = pixels.iter().skip(channel).step_by(3);
        values.extend(bytes.map(|&byte| table[usize::from(byte)]));
    }
    values
}
