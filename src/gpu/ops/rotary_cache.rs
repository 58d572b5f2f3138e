//! The rotary embedding fused with the cache write: `shaders/rotary_cache.wgsl`, or the reference implementation.

use burn::tensor::Tensor;

use super::kernel_set::{Case, KernelSet, wave};
use crate::error::Result;
use crate::gpu::cpu;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::kernel::{GpuTensor, Kernel, in_rows, kernel, launch};
use crate::gpu::layer_cache::LayerCache;
use crate::gpu::reference;
use crate::gpu::rope::Rope;
use crate::spec::RopeSpec;
use burn::tensor::Device;

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
    let on_gpu = on_gpu(heads, start, &qkv, rope, cache);
    match on_gpu.or_else(|| cpu::rotary_cache(heads, start, &qkv, rope, cache)) {
        Some(q) => q,
        None => {
            falls_back("rotary embedding", &qkv.device());
            reference::rotary_cache(heads, start, qkv, rope, cache)
        }
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

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[KERNEL],
    beyond_portable: &[],
    cases: &[Case::new(KERNEL, rotary)],
};

fn rotary(device: &Device) -> Result<Tensor<1>> {
    let mut cache = LayerCache::new([2, 8, 16], device);
    let rope = Rope::of(8, RopeSpec::of_theta(10_000.0), 16, device);
    let q = rotary_cache(4, 3, wave(0.3, [2, 8 * 16], device), &rope, &mut cache);
    let (keys, values) = (cache.keys().clone(), cache.values().clone());
    let all = [q.flatten(0, 1), keys.flatten(0, 2), values.flatten(0, 2)];
    Ok(Tensor::cat(all.to_vec(), 0))
}
