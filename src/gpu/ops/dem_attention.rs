//! DEM attention: `shaders/dem_attention.wgsl`, or the reference body.

use burn::tensor::Tensor;

use crate::gpu::kernel::{GpuTensor, Kernel, launch, wgsl_const};
use crate::gpu::reference;

pub(super) const SHADER: &str = include_str!("../../../shaders/dem_attention.wgsl");
const KERNEL: Kernel = Kernel {
    name: "dem_attention",
    source: SHADER,
    workgroup_size: wgsl_const(SHADER, "WORKGROUP_SIZE"),
};
const QUERIES: usize = wgsl_const(SHADER, "QUERIES") as usize;
const MAX_HEAD_DIM: usize = wgsl_const(SHADER, "MAX_HEAD_DIM") as usize;
/// Entries of the uniform's list of tiles.
const MAX_TILES: usize = 16;

/// Which map queries which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Global enhancement: in each contiguous tile, the global map queries the local one.
    Global,
    /// Local enhancement: in each strided set, the local map queries the global one.
    Local,
}

/// What is alive in the two maps: see `vision::plan::Plan`, which says why.
#[derive(Debug, Clone, PartialEq)]
pub struct DemShape {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Tokens per crop side h.
    pub tokens_per_side: usize,
    /// Alive residues along one axis, contiguous.
    pub residues: Vec<usize>,
    /// Alive tiles along one axis.
    pub tiles: Vec<usize>,
    /// Attention heads.
    pub heads: usize,
}

impl DemShape {
    /// Sets of keys for a direction: one a tile, or one a residue.
    pub fn sets(&self, direction: Direction) -> usize {
        match direction {
            Direction::Global => self.tiles.len().pow(2),
            Direction::Local => self.residues.len().pow(2),
        }
    }

    /// Alive positions below map coordinate `v` along one axis.
    pub fn alive_below(&self, v: usize) -> usize {
        let first = self.residues[0];
        let rest = (v % self.crops_per_side).max(first) - first;
        v / self.crops_per_side * self.residues.len() + rest.min(self.residues.len())
    }

    /// Most rows that query one set.
    fn queries_per_set(&self, direction: Direction) -> usize {
        let h = self.tokens_per_side;
        match direction {
            Direction::Local => h * h,
            Direction::Global => {
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

/// `softmax(Q K^T / sqrt(head_dim)) V` within the sets of `direction` (paper eq. 18-25; the
/// release's `MultiHeadAttention` without its output linear).
///
/// `q` is `[rows, C]` in the order of the global features, `k` and `v` are `[sets, h * h, C]`; the
/// result is `[rows, C]` in the order of `q`. f32.
pub fn dem_attention(
    shape: &DemShape,
    direction: Direction,
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
        return reference::dem_attention(shape, direction, q, k, v);
    };
    let mut params = vec![
        shape.crops_per_side as u32,
        shape.tokens_per_side as u32,
        shape.residues[0] as u32,
        shape.residues.len() as u32,
        shape.tiles.len() as u32,
        match direction {
            Direction::Global => 0,
            Direction::Local => 1,
        },
        shape.heads as u32,
        head_dim as u32,
        (1.0 / (head_dim as f32).sqrt()).to_bits(),
        0,
        0,
        0,
    ];
    params.extend((0..MAX_TILES).map(|i| shape.tiles.get(i).copied().unwrap_or(0) as u32));
    let groups = [
        shape.queries_per_set(direction).div_ceil(QUERIES) as u32,
        shape.sets(direction) as u32,
        shape.heads as u32,
    ];
    launch(KERNEL, &[q, k, v], [rows, channels], groups, &params)
}
