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

/// `softmax(Q K^T / sqrt(head_dim)) V`, row i of `q` `[tokens, heads * head_dim]` seeing the keys up to `start + i`.
/// `keys` and `values` are `[key_heads, capacity, head_dim]`, of which the first `start + tokens` of each head are read;
/// `heads / key_heads` heads share one of theirs. The result has the shape of `q`. f32.
pub fn causal_attention(
    heads: usize,
    start: usize,
    q: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Tensor<2> {
    match on_gpu(heads, start, &q, keys, values) {
        Some(mixed) => mixed,
        None => reference::causal_attention(heads, start, q, keys, values),
    }
}

/// None where the tensors are not on wgpu, or the kernels do not take them.
fn on_gpu(
    heads: usize,
    start: usize,
    q: &Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Option<Tensor<2>> {
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
    let splits = (start + tokens).div_ceil(SPAN);
    let found = output(&inputs[0], [tokens, heads, splits, head_dim + 4]);
    let groups = [splits, key_heads * group.div_ceil(FOUR), tokens].map(|count| count as u32);
    let sizes = [tokens, start, heads, group, head_dim, capacity, splits];
    let mut params = sizes.map(|size| size as u32).to_vec();
    params.push((1.0 / (head_dim as f32).sqrt()).to_bits());
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
