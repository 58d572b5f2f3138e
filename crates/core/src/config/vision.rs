//! The vision side of a model: what a picture of a given size becomes.

use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::image::{Filter, Normalise};
use crate::spec::plan::{Coverage, Plan};
use crate::spec::{
    CanvasLayout, Connector, DemSpec, Detail, Fit, Layout, Tiling, TowerSpec, Video, Weight,
};

/// How a model sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Vision {
    /// The vision tower: pixels of a view -> features.
    pub tower: TowerSpec,
    /// The tiling: a picture -> views.
    pub tiling: Tiling,
    /// How its pixels are prepared.
    pub pixels: Pixels,
    /// The connector: features of the views -> visual tokens.
    pub connector: Connector,
    /// How it sees videos; none of a model that sees only pictures.
    pub video: Option<Video>,
}

/// How pixels are prepared for a tower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pixels {
    /// The colour behind transparent pixels.
    pub ground: [u8; 3],
    /// How pictures are resized.
    pub filter: Filter,
    /// How bytes become numbers.
    pub normalise: Normalise,
}

/// How a picture is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Treatment {
    /// How much of INF-LLaVA's views is computed.
    pub coverage: Coverage,
    /// Whether it is the conversation's only picture: some models then divide it into more views.
    pub is_only: bool,
    /// How closely it is looked at.
    pub detail: Detail,
}

impl Treatment {
    /// Of a conversation's only picture.
    pub fn only(coverage: Coverage) -> Self {
        Treatment {
            coverage,
            is_only: true,
            detail: Detail::Auto,
        }
    }
}

/// INF-LLaVA's two perspectives: what its tiling, its connector and its tower say together.
#[derive(Debug, Clone, Copy)]
pub struct Dual<'a> {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// The connector.
    pub dem: &'a DemSpec,
    /// The tower.
    pub tower: &'a TowerSpec,
    /// How pixels are prepared.
    pub pixels: Pixels,
}

impl Dual<'_> {
    /// As closely as `detail` says. No weight depends on N, and visual tokens are as many whatever it is, so at low detail
    /// there is one crop; the most crops are those that the model was trained with.
    pub fn at(self, detail: Detail) -> Self {
        let crops_per_side = match detail {
            Detail::Low => 1,
            Detail::Auto | Detail::High | Detail::Tokens(_) => self.crops_per_side,
        };
        Dual {
            crops_per_side,
            ..self
        }
    }

    /// The views, and the positions of the enhancement, that are computed.
    pub fn plan(&self, coverage: Coverage) -> Plan {
        Plan::new(
            self.crops_per_side,
            self.tower.tokens_per_side(),
            self.dem.ablation,
            coverage,
        )
    }

    /// Side of the square that every picture becomes, in pixels.
    pub fn square_px(&self) -> usize {
        self.crops_per_side * self.tower.view_px
    }

    pub(super) fn layout(&self, coverage: Coverage) -> Layout {
        let (n, view_px) = (self.crops_per_side, self.tower.view_px);
        let passes = self.plan(coverage).passes().into_iter();
        let canvas = CanvasLayout {
            size_px: [self.square_px(); 2],
            views: passes.map(|crop| crop.view(n, view_px)).collect(),
        };
        Layout::of_one_run(vec![canvas], self.tower.patches_per_view())
    }
}

impl Vision {
    /// The most pictures of a conversation; none where the context alone limits them. The prompts of INF-LLaVA and of
    /// VLSA have a place for one.
    pub fn most_pictures(&self) -> Option<usize> {
        match &self.tiling {
            Tiling::Dual { .. } | Tiling::Snapshot(_) => Some(1),
            Tiling::Grid(_) | Tiling::Single(_) | Tiling::Anyres(_) => None,
        }
    }

    /// Whether pictures can be looked at more or less closely.
    pub fn has_detail(&self) -> bool {
        match &self.tiling {
            Tiling::Grid(_) | Tiling::Anyres(_) => true,
            Tiling::Dual { crops_per_side } => *crops_per_side > 1,
            Tiling::Single(_) | Tiling::Snapshot(_) => false,
        }
    }

    /// Whether a picture's visual tokens are a map of its padded square, row by row.
    pub fn has_map(&self) -> bool {
        match &self.tiling {
            Tiling::Dual { .. } => true,
            Tiling::Single(one) => matches!(one.fit, Fit::Pad { .. }) && !one.newline,
            Tiling::Grid(_) | Tiling::Anyres(_) | Tiling::Snapshot(_) => false,
        }
    }

    /// Whether a picture's layout depends on whether it is its conversation's only one.
    pub fn depends_on_others(&self) -> bool {
        matches!(&self.tiling, Tiling::Anyres(spec) if spec.several.is_some())
    }

    /// What only INF-LLaVA has; none for a model of another tiling or connector.
    pub fn dual(&self) -> Option<Dual<'_>> {
        match (&self.tiling, &self.connector) {
            (Tiling::Dual { crops_per_side }, Connector::Dem(dem)) => Some(Dual {
                crops_per_side: *crops_per_side,
                dem,
                tower: &self.tower,
                pixels: self.pixels,
            }),
            _ => None,
        }
    }

    /// As [`Vision::dual`], for `what`, which is made for INF-LLaVA only.
    ///
    /// # Errors
    /// [`Error::Config`] for a model of another kind.
    pub fn require_dual(&self, what: &str) -> Result<Dual<'_>> {
        self.dual().ok_or_else(|| not_dual(what))
    }

    /// Every tensor that is read, in the order of computation.
    pub fn weights(&self) -> Vec<Weight> {
        [self.tower.weights(), self.connector.weights()].concat()
    }
}

/// `what` is for INF-LLaVA only.
pub(super) fn not_dual(what: &str) -> Error {
    Error::config(
        CONFIG_FILE,
        format!("it is of another kind of model, and {what} is for INF-LLaVA only"),
    )
}
