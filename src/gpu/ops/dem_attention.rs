//! DEM attention: `shaders/dem_attention.wgsl`, or the reference body.

use burn::tensor::Tensor;

use crate::gpu::kernel::{GpuTensor, Kernel, launch, wgsl_const};
use crate::gpu::reference;

const SHADER: &str = include_str!("../../../shaders/dem_attention.wgsl");
pub(super) const KERNEL: Kernel = Kernel::new("dem_attention", SHADER);
pub(super) const QUERIES: usize = wgsl_const(SHADER, "QUERIES") as usize;
pub(super) const MAX_HEAD_DIM: usize = wgsl_const(SHADER, "MAX_HEAD_DIM") as usize;
/// Entries of the uniform's list of tiles.
pub(super) const MAX_TILES: usize = 16;

/// How the maps are cut into the sets within which one queries the other. Which map queries is the
/// caller's affair: in the release the global map in tiles and the local one in strided sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Contiguous tiles: the rows of a tile query its h * h keys.
    Tiles,
    /// Strided sets `[r::N, c::N]`: the rows of a residue query its h * h keys.
    Strided,
}

impl Cut {
    /// As the shader's uniform says it.
    pub(super) fn code(self) -> u32 {
        match self {
            Cut::Tiles => 0,
            Cut::Strided => 1,
        }
    }
}

/// What is alive in the two maps: see `vision::plan::Plan`, which says why.
#[derive(Debug, Clone, PartialEq)]
pub struct DemShape {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Tokens per crop side h.
    pub tokens_per_side: usize,
    /// Residues of the rows along one axis, contiguous.
    pub residues: Vec<usize>,
    /// Alive tiles along one axis.
    pub tiles: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
}

impl DemShape {
    /// Sets of keys: one a tile, or one a residue.
    pub fn sets(&self, cut: Cut) -> usize {
        match cut {
            Cut::Tiles => self.tiles.len().pow(2),
            Cut::Strided => self.residues.len().pow(2),
        }
    }

    /// Alive positions below map coordinate `v` along one axis.
    pub fn alive_below(&self, v: usize) -> usize {
        let first = self.residues[0];
        let rest = (v % self.crops_per_side).max(first) - first;
        v / self.crops_per_side * self.residues.len() + rest.min(self.residues.len())
    }

    /// Most rows that query one set.
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
/// `q` is `[rows, C]`, residue by residue and token by token, `k` and `v` are `[sets, h * h, C]`; the
/// result is `[rows, C]` in the order of `q`. f32.
pub fn dem_attention(
    shape: &DemShape,
    cut: Cut,
    q: Tensor<2>,
    k: Tensor<3>,
    v: Tensor<3>,
) -> Tensor<2> {
    let [rows, channels] = q.dims();
    let head_dim = channels / shape.heads;
    let fits = head_dim <= MAX_HEAD_DIM && shape.tiles.len() <= MAX_TILES;
    let buffers = (
        GpuTensor::from_float(&q),
        GpuTensor::from_float(&k),
        GpuTensor::from_float(&v),
    );
    let (Some(q), Some(k), Some(v), true) = (buffers.0, buffers.1, buffers.2, fits) else {
        return reference::dem_attention(shape, cut, q, k, v);
    };
    let mut params = vec![
        shape.crops_per_side as u32,
        shape.tokens_per_side as u32,
        shape.residues[0] as u32,
        shape.residues.len() as u32,
        shape.tiles.len() as u32,
        cut.code(),
        shape.heads as u32,
        head_dim as u32,
        (1.0 / (head_dim as f32).sqrt()).to_bits(),
        shape.tokens_per_side.pow(2) as u32,
        0,
        0,
    ];
    params.extend((0..MAX_TILES).map(|i| shape.tiles.get(i).copied().unwrap_or(0) as u32));
    let groups = [
        shape.queries_per_set(cut).div_ceil(QUERIES) as u32,
        shape.sets(cut) as u32,
        shape.heads as u32,
    ];
    launch(KERNEL, &[q, k, v], [rows, channels], groups, &params)
}
