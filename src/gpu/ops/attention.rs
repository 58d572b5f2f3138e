//! Launches `shaders/attention.wgsl` for its three uses.

use burn::tensor::Tensor;

use super::kernel_set::KernelSet;
use crate::gpu::adapter;
use crate::gpu::kernel::{Cut, GpuTensor, HALF, Kernel, kernel, launch_in_parts, output};
use crate::gpu::pace::Work;

pub(super) const KERNEL: Kernel = kernel!("attention");
const QUERIES: usize = KERNEL.constant("QUERIES");
const MAX_HEAD_DIM: usize = KERNEL.constant("MAX_HEAD_DIM");
/// Entries in the uniform's list of tiles.
pub(super) const MAX_TILES: usize = 16;

/// Which rows attend to which keys: the values of the shader's CUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    Tiles = 0,
    Sets = 1,
    Causal = 2,
}

/// The shader's uniform, except the tiles of the enhancement.
#[derive(Debug, Clone)]
pub(super) struct Attention {
    pub rows: Rows,
    pub sets: usize,
    /// The most queries of a set.
    pub queries: usize,
    pub keys: usize,
    pub heads: usize,
    pub head_dim: usize,
    /// Query heads that share a key/value head.
    pub group: usize,
    /// Causal only: keys before the first query's own.
    pub start: usize,
    /// Causal only: the most keys that a query attends to.
    pub window: u32,
    /// Strides, in numbers, from one set, key and key/value head to the next.
    pub key_strides: [usize; 3],
}

impl Attention {
    /// Sets of `keys` keys, `[sets, keys, heads, head_dim]`, each with as many queries.
    pub fn of_sets(sets: usize, keys: usize, heads: usize, head_dim: usize) -> Self {
        let channels = heads * head_dim;
        Attention {
            rows: Rows::Sets,
            sets,
            queries: keys,
            keys,
            heads,
            head_dim,
            group: 1,
            start: 0,
            window: 0,
            key_strides: [keys * channels, channels, head_dim],
        }
    }

    /// Whether the kernel supports this head dimension.
    pub fn fits(head_dim: usize) -> bool {
        head_dim.is_multiple_of(4) && head_dim <= MAX_HEAD_DIM
    }

    /// Runs the kernel: `q` is `[rows, heads * head_dim]`, and so is the result. None if the tensors are not on wgpu,
    /// or the kernel does not support them.
    pub fn run<const D: usize, const E: usize>(
        &self,
        map: &MapParams,
        q: &Tensor<D>,
        k: &Tensor<E>,
        v: &Tensor<E>,
    ) -> Option<Tensor<D>> {
        if !Self::fits(self.head_dim) || !KERNEL.is_trusted(&q.device()) {
            return None;
        }
        let shape = q.dims();
        let inputs = [
            GpuTensor::from_float(q)?,
            GpuTensor::from_float(k)?,
            GpuTensor::from_float(v)?,
        ];
        let [key_set, key_token, key_head] = self.key_strides;
        let words = |sizes: &[usize]| sizes.iter().map(|&size| size as u32).collect::<Vec<_>>();
        let device = q.device();
        let half = adapter::variants(&device).half;
        let kernel = KERNEL
            .with("CUT", self.rows as u32)
            .with(HALF, u32::from(half));
        let mixed = output(&inputs[0], shape);
        let pairs = (self.sets * self.queries) as f64 * self.keys as f64;
        let cut = Cut {
            groups: [self.heads, self.queries.div_ceil(QUERIES)].map(|groups| groups as u32),
            work: Work::Attention,
            multiply_adds: 2.0 * pairs * (self.heads * self.head_dim) as f64,
        };
        launch_in_parts(kernel, &inputs, &mixed, cut, &device, |part| {
            let mut params: Vec<u32> = map.sizes.to_vec();
            params.extend(words(&[self.queries, self.heads, self.head_dim]));
            params.push((1.0 / (self.head_dim as f32).sqrt()).to_bits());
            params.extend(words(&[self.keys, self.group, self.start]));
            params.extend(words(&[key_set, key_token, key_head]));
            let [first_head, first_query_tile] = part.first;
            params.extend([first_head, first_query_tile, self.window, 0, 0]);
            params.extend(map.tiles);
            let [heads, query_tiles] = part.count;
            ([query_tiles, self.sets as u32, heads], params)
        });
        Some(mixed.into_float())
    }
}

/// The geometry of the map for tiles; zeros for other uses.
#[derive(Debug, Clone, Default)]
pub(super) struct MapParams {
    /// Crops per side, tokens per crop side, the first residue, the number of residues, tiles along one axis.
    pub sizes: [u32; 5],
    pub tiles: [u32; MAX_TILES],
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[KERNEL, KERNEL.with("CUT", 1), KERNEL.with("CUT", 2)],
    beyond_portable: &[KERNEL.with(HALF, 1)],
    // Those of the operations that share it.
    cases: &[],
};
