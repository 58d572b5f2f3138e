//! Attention of new tokens to the key/value cache: `shaders/attention.wgsl` for many, `shaders/decode_attention.wgsl`
//! and `shaders/decode_combine.wgsl` for few, or the reference body.

use burn::tensor::Tensor;

use super::attention::{Attention, MapParams, Rows};
use crate::gpu::adapter;
use crate::gpu::kernel::{GpuTensor, Kernel, kernel, launch, launch_into, output};
use crate::gpu::ops::subgroup::by_eight;
use crate::gpu::reference;

pub(super) const DECODE: Kernel = kernel!("decode_attention");
pub(super) const COMBINE: Kernel = kernel!("decode_combine");
/// Keys of a split, and heads of a workgroup.
const SPAN: usize = DECODE.constant("SPAN");
const FOUR: usize = DECODE.constant("FOUR");
/// Up to so many tokens each fetches the cache for itself.
const FEW_TOKENS: usize = 8;

/// Which keys new tokens see: row i those up to `start + i`.
#[derive(Debug, Clone, Copy)]
pub struct Causal {
    /// Query heads.
    pub heads: usize,
    /// Keys before the first row's own.
    pub start: usize,
    /// So many of them at most, the last ones: a sliding window.
    pub window: Option<usize>,
}

impl Causal {
    /// As the shaders have it: larger than every cache where there is none.
    pub(super) fn window_word(&self) -> u32 {
        const NONE: usize = 1 << 30;
        self.window.map_or(NONE, |window| window.min(NONE)) as u32
    }

    /// Keys before the first that any row sees.
    fn unseen(&self) -> usize {
        let window = self.window.unwrap_or(usize::MAX);
        (self.start + 1).saturating_sub(window)
    }
}

/// `softmax(Q K^T / sqrt(head_dim)) V`, of `q` `[tokens, heads * head_dim]` with the keys that `causal` lets it see.
/// `keys` and `values` are `[key_heads, capacity, head_dim]`, of which the first `start + tokens` of each head are read;
/// `heads / key_heads` heads share one of theirs. The result has the shape of `q`. f32.
pub fn causal_attention(
    causal: Causal,
    q: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Tensor<2> {
    match on_gpu(causal, &q, keys, values) {
        Some(mixed) => mixed,
        None => reference::causal_attention(causal, q, keys, values),
    }
}

/// None where the tensors are not on wgpu, or the kernels do not take them.
fn on_gpu(
    causal: Causal,
    q: &Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Option<Tensor<2>> {
    let Causal { heads, start, .. } = causal;
    let [tokens, channels] = q.dims();
    let [key_heads, capacity, head_dim] = keys.dims();
    let group = heads / key_heads;
    if !Attention::fits(head_dim) || tokens == 0 {
        return None;
    }
    if tokens > FEW_TOKENS {
        let attention = Attention {
            rows: Rows::Causal,
            sets: 1,
            queries: tokens,
            keys: start + tokens,
            heads,
            head_dim,
            group,
            start,
            window: causal.window_word(),
            key_strides: [0, head_dim, capacity * head_dim],
        };
        return attention.run(&MapParams::default(), q, keys, values);
    }

    let device = q.device();
    if !DECODE.is_trusted(&device) || !COMBINE.is_trusted(&device) {
        return None;
    }
    let inputs = [
        GpuTensor::from_float(q)?,
        GpuTensor::from_float(keys)?,
        GpuTensor::from_float(values)?,
    ];
    let first_split = causal.unseen() / SPAN;
    let splits = (start + tokens).div_ceil(SPAN) - first_split;
    let found = output(&inputs[0], [tokens, heads, splits, head_dim + 4]);
    let groups = [splits, key_heads * group.div_ceil(FOUR), tokens].map(|count| count as u32);
    let sizes = [tokens, start, heads, group, head_dim, capacity, splits];
    let mut params = sizes.map(|size| size as u32).to_vec();
    params.push((1.0 / (head_dim as f32).sqrt()).to_bits());
    params.extend([causal.window_word(), first_split as u32, 0, 0]);
    let decode = by_eight(DECODE, adapter::variants(&device));
    launch_into(decode, &inputs, &found, groups, &params);

    let rows = tokens * heads;
    let quads = head_dim / 4;
    let groups = (rows * quads).div_ceil(COMBINE.workgroup_size as usize);
    let params = [rows, splits, quads, 0].map(|size| size as u32);
    let shape = [tokens, channels];
    Some(launch(
        COMBINE,
        &[found],
        shape,
        [groups as u32, 1, 1],
        &params,
    ))
}
