//! Resizes a picture to what its tiles are cut from (Idefics3, SmolVLM).
//!
//! In: a [`Picture`] and sizes. Out: the canvas of the tiles, and the whole picture in one tile.
//! This module must not know how the sizes are chosen (`spec/grid.rs`), or how a tile is cut out.

use super::Picture;
use super::resample::Filter;
use super::resize::resize;
use crate::error::Result;
use crate::progress::StopFlag;

/// What the views of a picture are cut from. Neither has notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    /// The canvas, `[height, width, 3]`, whose tiles are views, row by row; `None` if the whole
    /// picture is the only view.
    pub split: Option<Picture>,
    /// The whole picture, `[tile, tile, 3]`: the last view. Its aspect ratio is not kept.
    pub whole: Picture,
}

/// Resizes `picture` to `first_px`, the result to `second_px`, and, if that is more than one tile,
/// that result to `[tile_px, tile_px]`; sizes are height and width in pixels. Each resize is
/// Pillow's LANCZOS and rounds to bytes, so that a single one in their place has other bytes.
/// `Idefics3ImageProcessorPil` and `SmolVLMImageProcessorPil` of transformers compute the same.
///
/// # Errors
/// As [`resize`].
pub fn tiles(
    picture: &Picture,
    first_px: [usize; 2],
    second_px: [usize; 2],
    tile_px: usize,
    stop: &StopFlag,
) -> Result<Tiles> {
    let to = |picture: &Picture, size_px| resize(picture, size_px, Filter::Lanczos, stop);
    let second = to(&to(picture, first_px)?, second_px)?;
    if second_px.iter().all(|&side| side <= tile_px) {
        return Ok(Tiles {
            split: None,
            whole: second,
        });
    }
    Ok(Tiles {
        whole: to(&second, [tile_px; 2])?,
        split: Some(second),
    })
}
