//! The tiling: computes the views that the tower processes from the size of a picture, before any pixel is read.

use super::anyres::{AnyresSpec, TokenMap};
use super::grid::GridSpec;
use super::run::Run;
use super::single::SingleSpec;
use super::snapshot::SnapshotSpec;
use super::view::View;

/// How pictures are divided into views.
#[derive(Debug, Clone, PartialEq)]
pub enum Tiling {
    /// Dual-perspective cropping, DCM (paper eq. 9-17): the picture becomes a square of N views per side. Local crops
    /// are tiles, global crops take every N-th pixel, and the low-resolution view shows the whole picture.
    Dual {
        /// Crops per side N.
        crops_per_side: usize,
    },
    /// SmolVLM's: rows and columns of tiles, and last the whole picture in one.
    Grid(GridSpec),
    /// LLaVA-1.5's and others': one view.
    Single(SingleSpec),
    /// LLaVA-NeXT's and LLaVA-OneVision's: the whole picture in one view, then tiles at the best of several sizes.
    Anyres(AnyresSpec),
    /// VLSA's: a snapshot, then patches.
    Snapshot(SnapshotSpec),
}

/// The views and tokens of a picture of a given size.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// What the picture is resized to, in the order of the tower's passes; at least one.
    pub canvases: Vec<CanvasLayout>,
    /// How the views' tokens become the picture's.
    pub packing: Packing,
    /// What stands for the picture in a prompt.
    pub runs: Vec<Run>,
    /// Visual tokens that the decoder sees: those of all runs.
    pub tokens: usize,
}

/// How the tokens of views become those of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packing {
    /// The connector's, as they are.
    Views {
        /// Whether a newline token follows the last.
        newline: bool,
    },
    /// A map of tiles, with a newline token after each of its rows.
    Map(TokenMap),
    /// The frames of a video, each reduced to a square map of this side; a newline token follows the last.
    Frames {
        /// Tokens along a side.
        side: usize,
    },
}

/// A resized picture, and its views.
#[derive(Debug, Clone, PartialEq)]
pub struct CanvasLayout {
    /// Height and width in pixels.
    pub size_px: [usize; 2],
    /// In the order of the tower's passes.
    pub views: Vec<View>,
}

impl Layout {
    /// A layout whose tokens stand together in a prompt, as the connector gives them.
    pub fn of_one_run(canvases: Vec<CanvasLayout>, tokens: usize) -> Self {
        Layout {
            canvases,
            packing: Packing::Views { newline: false },
            runs: vec![Run::Tokens(tokens)],
            tokens,
        }
    }

    /// Height and width, in pixels, of the canvas that shows the most.
    pub fn size_px(&self) -> [usize; 2] {
        let sizes = self.canvases.iter().map(|canvas| canvas.size_px);
        sizes
            .max_by_key(|[height, width]| height * width)
            .unwrap_or_default()
    }

    /// Passes of the tower.
    pub fn passes(&self) -> usize {
        self.canvases.iter().map(|canvas| canvas.views.len()).sum()
    }
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
