//! Puts a picture on a canvas of one colour.
//!
//! In: a [`Picture`], sizes and a colour. Out: the canvas. This module must not know what is cut
//! from it.

use super::Picture;
use super::decode::Limits;
use super::resize::{check, side};
use crate::error::Result;
use crate::progress::StopFlag;

/// A canvas of `[height, width]` pixels with the picture at `[top, left]`; what of it is outside is
/// left out. A picture that fills it is the canvas.
///
/// # Errors
/// As [`super::resize`], for the canvas.
pub(super) fn placed(
    picture: Picture,
    [height, width]: [usize; 2],
    [top, left]: [usize; 2],
    colour: [u8; 3],
    stop: &StopFlag,
) -> Result<Picture> {
    check(&picture)?;
    if [picture.height, picture.width, top, left] == [height, width, 0, 0] {
        return Ok(picture);
    }
    Limits::default().check("the padded picture", (side(width), side(height)))?;
    let mut rgb = colour.repeat(width * height);
    let columns = picture.width.min(width.saturating_sub(left));
    let lines = rgb.chunks_exact_mut(3 * width).skip(top);
    for (row, line) in picture.rgb.chunks_exact(3 * picture.width).zip(lines) {
        stop.check()?;
        if columns > 0 {
            line[3 * left..3 * (left + columns)].copy_from_slice(&row[..3 * columns]);
        }
    }
    Ok(Picture {
        width,
        height,
        rgb,
        notices: Vec::new(),
    })
}
