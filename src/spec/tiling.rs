//! The tiling: the size of a picture -> the views that the tower sees, before any pixel is touched.

/// How pictures are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// Dual-perspective cropping, DCM (paper eq. 9-17): the picture becomes a square of N views a side, of which the local
    /// crops are tiles, the global crops take every N-th pixel, and the low resolution shows all of it.
    Dual {
        /// N.
        crops_per_side: usize,
    },
}

/// What becomes of a picture of some size.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Height and width that it is resized to, in pixels.
    pub canvas_px: [usize; 2],
    /// What the tower sees of that, in the order of its passes.
    pub views: Vec<View>,
    /// Visual tokens that the decoder sees.
    pub tokens: usize,
}

/// Where the pixels of a view lie in the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Pixel (y, x) is that at (top + step y, left + step x).
    Pixels {
        /// Of the first row.
        top: usize,
        /// Of the first column.
        left: usize,
        /// From one pixel to the next along either axis.
        step: usize,
    },
    /// The whole picture, smaller by `step`: bicubic as in PyTorch, `align_corners = false`, no antialias.
    Whole {
        /// Pixels of the picture to one of the view.
        step: usize,
    },
}

/// A view of the dual tiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// A tile, by row and column.
    Local(usize, usize),
    /// Every N-th pixel from this row and column on.
    Global(usize, usize),
    /// The whole square.
    Low,
}

impl Crop {
    /// Where its pixels lie, with N crops a side of `view_px` pixels.
    pub fn view(self, crops_per_side: usize, view_px: usize) -> View {
        match self {
            Crop::Local(row, column) => View::Pixels {
                top: row * view_px,
                left: column * view_px,
                step: 1,
            },
            Crop::Global(top, left) => View::Pixels {
                top,
                left,
                step: crops_per_side,
            },
            Crop::Low => View::Whole {
                step: crops_per_side,
            },
        }
    }
}
