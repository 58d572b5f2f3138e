//! The tiling: computes the views that the tower processes from the size of a picture, before any pixel is read.

/// How pictures are divided into views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tiling {
    /// Dual-perspective cropping, DCM (paper eq. 9-17): the picture becomes a square of N views per side. Local crops
    /// are tiles, global crops take every N-th pixel, and the low-resolution view shows the whole picture.
    Dual {
        /// Crops per side N.
        crops_per_side: usize,
    },
}

/// The views and tokens of a picture of a given size.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Height and width that the picture is resized to, in pixels.
    pub canvas_px: [usize; 2],
    /// The views of the resized picture, in the order of the tower's passes.
    pub views: Vec<View>,
    /// Visual tokens that the decoder sees.
    pub tokens: usize,
}

/// The position of a view's pixels in the resized picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Pixel (y, x) of the view is pixel (top + step y, left + step x) of the picture.
    Pixels {
        /// The first row.
        top: usize,
        /// The first column.
        left: usize,
        /// The distance between neighbouring pixels along either axis.
        step: usize,
    },
    /// The whole picture, reduced by `step`: bicubic as in PyTorch, `align_corners = false`, no antialias.
    Whole {
        /// Picture pixels per view pixel.
        step: usize,
    },
}

/// A view of the dual tiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// A tile, by row and column.
    Local(usize, usize),
    /// Every N-th pixel, starting at this row and column.
    Global(usize, usize),
    /// The whole square.
    Low,
}

impl Crop {
    /// The position of its pixels, with N crops per side of `view_px` pixels.
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
