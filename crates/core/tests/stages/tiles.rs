//! Pictures to tiles: the grid, the resize and transparency.

mod grid;
mod ground;
mod resize;

use inf_llava_core::spec::{GridSpec, View};

/// L, T, and pictures are split.
fn split(longest_px: usize, tile_px: usize) -> GridSpec {
    GridSpec {
        longest_px,
        tile_px,
        splits: true,
    }
}

/// `[top, left]`.
fn corner(view: View) -> [usize; 2] {
    match view {
        View::Pixels { top, left, step: 1 } => [top, left],
        other => panic!("{other:?} is no tile"),
    }
}
