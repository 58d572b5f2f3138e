//! Makes the snapshot of a picture, and the canvas of its patches (VLSA).
//!
//! In: a [`Picture`], and its sizes as `spec` computes them. Out: snapshot and canvas. This module
//! must not know how the sizes are chosen, or how a patch is cut out.

use super::Picture;
use super::canvas::placed;
use super::resample::Filter;
use super::resize::resize;
use crate::error::Result;
use crate::progress::StopFlag;
use crate::spec::{Snapshot, SnapshotSpec};

/// What the views of a picture are cut from. Neither has notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotViews {
    /// The first view, `[P, P, 3]`. The aspect ratio is not kept.
    pub snapshot: Picture,
    /// The picture with its padding, `[height, width, 3]`, whose patches are the other views, row by
    /// row.
    pub padded: Picture,
}

/// Shrinks `picture` if it would have too many patches, pads it to whole patches, and resizes the
/// one or the other to the snapshot. `sizes` are of this picture's size, by this `spec`.
///
/// # Errors
/// As [`resize`].
pub fn snapshot(
    picture: &Picture,
    spec: &SnapshotSpec,
    sizes: &Snapshot,
    filter: Filter,
    stop: &StopFlag,
) -> Result<SnapshotViews> {
    let resized = resize(picture, sizes.resized_px, filter, stop)?;
    let of_picture = match spec.of_padded {
        true => None,
        false => Some(resize(&resized, [spec.view_px; 2], filter, stop)?),
    };
    let corner = [sizes.padding.top, sizes.padding.left];
    let padded = placed(resized, sizes.padded_px, corner, spec.colour, stop)?;
    let snapshot = match of_picture {
        Some(snapshot) => snapshot,
        None => resize(&padded, [spec.view_px; 2], filter, stop)?,
    };
    Ok(SnapshotViews { snapshot, padded })
}
