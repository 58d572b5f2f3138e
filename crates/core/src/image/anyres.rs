//! Makes the base view of a picture, and the canvas of its tiles (LLaVA-NeXT, LLaVA-OneVision).
//!
//! In: a [`Picture`], and its sizes as `spec` computes them. Out: base view and canvas. This module
//! must not know how the sizes are chosen, or how a tile is cut out.

use super::Picture;
use super::canvas::placed;
use super::resample::Filter;
use super::resize::resize;
use crate::error::Result;
use crate::progress::StopFlag;
use crate::spec::Anyres;

/// What lies around the picture: zeros, not a mean colour.
const BLACK: [u8; 3] = [0; 3];

/// What the views of a picture are cut from. Neither has notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyresViews {
    /// The whole picture, `[P, P, 3]`: the first view. Its aspect ratio is not kept.
    pub base: Picture,
    /// The canvas, `[height, width, 3]`, whose tiles are views, row by row; `None` if the base view
    /// is the only tile.
    pub tiles: Option<Picture>,
}

/// Resizes `picture` to the base view of `view_px`, and to the canvas of its tiles, where it has
/// black around it. `anyres` is of this picture's size.
///
/// # Errors
/// As [`resize`].
pub fn anyres(
    picture: &Picture,
    anyres: &Anyres,
    view_px: usize,
    filter: Filter,
    stop: &StopFlag,
) -> Result<AnyresViews> {
    let base = resize(picture, [view_px; 2], filter, stop)?;
    if anyres.is_base_tile {
        return Ok(AnyresViews { base, tiles: None });
    }
    let resized = resize(picture, anyres.resized_px, filter, stop)?;
    let corner = [anyres.padding.top, anyres.padding.left];
    let canvas = placed(resized, anyres.best_px, corner, BLACK, stop)?;
    Ok(AnyresViews {
        base,
        tiles: Some(canvas),
    })
}
