//! Makes one square view of a picture (LLaVA-1.5 and others), or of each frame of a video.
//!
//! In: a [`Picture`] and how it is fitted. Out: the view. This module must not know how many views
//! a model is shown.

use std::ops::Range;

use super::Picture;
use super::canvas::placed;
use super::decode::Limits;
use super::preprocess::square_part;
use super::resample::Filter;
use super::resize::{Part, check, resize, resize_part, side};
use crate::error::Result;
use crate::progress::StopFlag;
use crate::spec::{Fit, shortest_edge_px};

/// What lies around a resized picture that is smaller than the view.
const BLACK: [u8; 3] = [0; 3];

/// The view of `picture`, `[view_px, view_px, 3]`, as transformers' Pillow processors make it. What
/// is cut off is not computed, so that a picture of any shape has a view. One that is smaller than
/// the view after the resize has black around it, as in transformers; the larger half of an odd
/// number is then above, and on the left.
///
/// # Errors
/// As [`resize`], for the view.
pub fn single(
    picture: &Picture,
    fit: Fit,
    view_px: usize,
    filter: Filter,
    stop: &StopFlag,
) -> Result<Picture> {
    let view = [view_px; 2];
    let (seen, [top, left]) = match fit {
        Fit::Squash => return resize(picture, view, filter, stop),
        Fit::Crop { short_px } => {
            check(picture)?;
            let size_px = [picture.height, picture.width];
            let whole_px = shortest_edge_px(size_px, short_px);
            let [(rows, top), (columns, left)] = whole_px.map(|side| middle(side, view_px));
            let part = Part {
                whole_px,
                rows,
                columns,
            };
            (resize_part(picture, &part, filter, stop)?, [top, left])
        }
        Fit::Pad { colour, short_px } => {
            check(picture)?;
            let (part, before) = middle(short_px, view_px);
            let length = part.len();
            Limits::default().check("the view of a picture", (side(length), side(length)))?;
            let between = (side(length), side(picture.height));
            Limits::default().check("the picture between two passes of a resize", between)?;
            let square = Picture {
                rgb: square_part(picture, colour, short_px, part, filter, stop)?,
                width: length,
                height: length,
                notices: Vec::new(),
            };
            (square, [before; 2])
        }
    };
    placed(seen, view, [top, left], BLACK, stop)
}

/// The middle of a side that is seen in a view, and where it begins there: `center_crop` of
/// transformers, which rounds down what is cut off, and up what is missing.
fn middle(side: usize, view_px: usize) -> (Range<usize>, usize) {
    let begin = side.saturating_sub(view_px) / 2;
    let before = view_px.saturating_sub(side).div_ceil(2);
    (begin..begin + side.min(view_px), before)
}
