//! DEM attention: `shaders/attention.wgsl`, or the reference implementation.

use burn::tensor::Tensor;

use super::attention;
use super::attention::{Attention, MAX_TILES, MapParams, Rows};
use super::kernel_set::{Case, KernelSet, wave};
use crate::error::Result;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::reference;
use burn::tensor::Device;

/// How the maps are divided into the sets within which one map's rows attend to the other's keys. The caller decides
/// which map is the query: in the release the global map in tiles and the local one in strided sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Contiguous tiles: the rows of a tile attend to its h * h keys.
    Tiles,
    /// Strided sets `[r::N, c::N]`: the rows of a residue attend to its h * h keys.
    Strided,
}

/// What is alive in the two maps: see `spec::plan::Plan`, which says why.
#[derive(Debug, Clone, PartialEq)]
pub struct DemShape {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Tokens per crop side h.
    pub tokens_per_side: usize,
    /// The computed residues along one axis, contiguous.
    pub residues: Vec<usize>,
    /// The computed tiles along one axis.
    pub tiles: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
}

impl DemShape {
    /// Sets of keys: one for each tile, or one for each residue.
    pub fn sets(&self, cut: Cut) -> usize {
        match cut {
            Cut::Tiles => self.tiles.len().pow(2),
            Cut::Strided => self.residues.len().pow(2),
        }
    }

    /// Computed positions below map coordinate `v` along one axis.
    pub fn alive_below(&self, v: usize) -> usize {
        let first = self.residues[0];
        let rest = (v % self.crops_per_side).max(first) - first;
        v / self.crops_per_side * self.residues.len() + rest.min(self.residues.len())
    }

    /// The most rows that attend to one set.
    fn queries_per_set(&self, cut: Cut) -> usize {
        let h = self.tokens_per_side;
        match cut {
            Cut::Strided => h * h,
            Cut::Tiles => {
                let most = self
                    .tiles
                    .iter()
                    .map(|tile| self.alive_below(tile * h + h) - self.alive_below(tile * h))
                    .max();
                most.unwrap_or(0).pow(2)
            }
        }
    }
}

/// `softmax(Q K^T / sqrt(head_dim)) V` within the sets of `cut` (paper eq. 18-25; the
/// release's `MultiHeadAttention` without its output linear).
///
/// `q` is `[rows, C]`, ordered by residue and then by token, `k` and `v` are `[sets, h * h, C]`; the result is
/// `[rows, C]` in the order of `q`. f32.
pub fn dem_attention(
    shape: &DemShape,
    cut: Cut,
    q: Tensor<2>,
    k: Tensor<3>,
    v: Tensor<3>,
) -> Tensor<2> {
    let [_, channels] = q.dims();
    let tokens = shape.tokens_per_side.pow(2);
    let attention = Attention {
        rows: match cut {
            Cut::Tiles => Rows::Tiles,
            Cut::Strided => Rows::Sets,
        },
        queries: shape.queries_per_set(cut),
        ..Attention::of_sets(shape.sets(cut), tokens, shape.heads, channels / shape.heads)
    };
    let found = map_params(shape).and_then(|map| attention.run(&map, &q, &k, &v));
    match found {
        Some(mixed) => mixed,
        None => {
            falls_back("attention of the enhancement", &q.device());
            reference::dem_attention(shape, cut, q, k, v)
        }
    }
}

/// None if there are more tiles than the kernel supports.
fn map_params(shape: &DemShape) -> Option<MapParams> {
    let mut tiles = [0; MAX_TILES];
    let alive = tiles.get_mut(..shape.tiles.len())?;
    for (to, &tile) in alive.iter_mut().zip(&shape.tiles) {
        *to = tile as u32;
    }
    let sizes = [
        shape.crops_per_side,
        shape.tokens_per_side,
        shape.residues[0],
        shape.residues.len(),
        shape.tiles.len(),
    ];
    Some(MapParams {
        sizes: sizes.map(|size| size as u32),
        tiles,
    })
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[],
    beyond_portable: &[],
    cases: &[Case::new(attention::KERNEL, between_maps)],
};

/// The enhancement's tiles, whose rows are computed from indices.
fn between_maps(device: &Device) -> Result<Tensor<1>> {
    let shape = DemShape {
        crops_per_side: 3,
        tokens_per_side: 4,
        residues: vec![1],
        tiles: vec![0, 1, 2],
        heads: 2,
    };
    let q = wave(0.9, [16, 2 * 8], device);
    let [k, v] = [0.3, 0.7].map(|step| wave(step, [9, 16, 2 * 8], device));
    Ok(dem_attention(&shape, Cut::Tiles, q, k, v).flatten(0, 1))
}
