//! The rotary embedding fused with the cache write: `shaders/rotary_cache.wgsl`, or the reference implementation.

use burn::tensor::Tensor;

use crate::gpu::kernel::{GpuTensor, Kernel, in_rows, kernel, launch};
use crate::gpu::layer_cache::LayerCache;
use crate::gpu::reference;
use crate::gpu::rope::Rope;

pub(super) const KERNEL: Kernel = kernel!("rotary_cache");

/// Splits `qkv` `[tokens, (heads + 2 key_heads) * head_dim]`, whose first token is at position `start`, into queries,
/// keys and values. Rotates queries and keys, writes keys and values to `cache` in place, and returns the queries,
/// `[tokens, heads * head_dim]`. f32.
pub fn rotary_cache(
    heads: usize,
    start: usize,
    qkv: Tensor<2>,
    rope: &Rope,
    cache: &mut LayerCache,
) -> Tensor<2> {
    match on_gpu(heads, start, &qkv, rope, cache) {
        Some(q) => q,
        None => reference::rotary_cache(heads, start, qkv, rope, cache),
    }
}

/// None if the tensors are not on wgpu.
fn on_gpu(
    heads: usize,
    start: usize,
    qkv: &Tensor<2>,
    rope: &Rope,
    cache: &LayerCache,
) -> Option<Tensor<2>> {
    if !KERNEL.is_trusted(&qkv.device()) {
        return None;
    }
    let [tokens, _] = qkv.dims();
    let [key_heads, capacity, head_dim] = cache.keys().dims();
    let inputs = [
        GpuTensor::from_float(qkv)?,
        GpuTensor::from_float(rope.cos())?,
        GpuTensor::from_float(rope.sin())?,
        GpuTensor::from_float(cache.keys())?,
        GpuTensor::from_float(cache.values())?,
    ];
    let half = head_dim / 2;
    let pairs = tokens * (heads + 2 * key_heads) * half;
    let [groups_x, groups_y] = in_rows(pairs.div_ceil(KERNEL.workgroup_size as usize));
    let sizes = [tokens, start, heads, key_heads, half, capacity];
    let mut params = sizes.map(|size| size as u32).to_vec();
    params.extend([groups_x, 0]);
    let shape = [tokens, heads * head_dim];
    let groups = [groups_x, groups_y, 1];
    Some(launch(KERNEL, &inputs, shape, groups, &params))
}
