//! What tokens attend to: `shaders/attention_map.wgsl`, or the reference body.

use std::ops::Range;

use burn::tensor::Tensor;

use super::attention::Attention;
use crate::gpu::kernel::{GpuTensor, Kernel, kernel, launch};
use crate::gpu::reference;

pub(super) const KERNEL: Kernel = kernel!("attention_map");

/// The weights that [`super::causal_attention`] gives to the keys of `window`, `[tokens, heads, window]`: `q` is
/// `[tokens, heads * head_dim]`, row i seeing the keys up to `start + i` of `[key_heads, capacity, head_dim]`. Keys that a
/// row does not see have none. f32.
pub fn attention_map(
    heads: usize,
    start: usize,
    q: Tensor<2>,
    keys: &Tensor<3>,
    window: Range<usize>,
) -> Tensor<3> {
    match on_gpu(heads, start, &q, keys, &window) {
        Some(map) => map,
        None => reference::attention_map(heads, start, q, keys, window),
    }
}

/// None where the tensors are not on wgpu, or the kernel does not take them.
fn on_gpu(
    heads: usize,
    start: usize,
    q: &Tensor<2>,
    keys: &Tensor<3>,
    window: &Range<usize>,
) -> Option<Tensor<3>> {
    let [tokens, _] = q.dims();
    let [key_heads, capacity, head_dim] = keys.dims();
    let is_empty = tokens == 0 || window.is_empty();
    if !Attention::fits(head_dim) || is_empty || !KERNEL.is_trusted(&q.device()) {
        return None;
    }
    let inputs = [GpuTensor::from_float(q)?, GpuTensor::from_float(keys)?];
    let group = heads / key_heads;
    let sizes = [start, heads, group, head_dim / 4, capacity, window.start];
    let mut params = sizes.map(|size| size as u32).to_vec();
    params.extend([
        window.len() as u32,
        (1.0 / (head_dim as f32).sqrt()).to_bits(),
    ]);
    let shape = [tokens, heads, window.len()];
    let groups = [tokens as u32, heads as u32, 1];
    Some(launch(KERNEL, &inputs, shape, groups, &params))
}
