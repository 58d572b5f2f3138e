//! Attention weights of tokens, for display: `shaders/attention_map.wgsl`, or the reference implementation.

use std::ops::Range;

use burn::tensor::Tensor;

use super::attention::Attention;
use super::causal_attention::Causal;
use super::kernel_set::{Case, KernelSet, wave};
use crate::error::Result;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::kernel::{GpuTensor, Kernel, kernel, launch};
use crate::gpu::reference;
use burn::tensor::Device;

pub(super) const KERNEL: Kernel = kernel!("attention_map");

/// The weights that [`super::causal_attention`] gives to the keys in the range `asked`, `[tokens, heads, asked]`. `q`
/// is `[tokens, heads * head_dim]`, `keys` `[key_heads, capacity, head_dim]`; `causal` says which keys each row
/// attends to. Other keys have weight 0. f32.
pub fn attention_map(
    causal: Causal,
    q: Tensor<2>,
    keys: &Tensor<3>,
    asked: Range<usize>,
) -> Tensor<3> {
    match on_gpu(causal, &q, keys, &asked) {
        Some(map) => map,
        None => {
            falls_back("attention map", &q.device());
            reference::attention_map(causal, q, keys, asked)
        }
    }
}

/// None if the tensors are not on wgpu, or the kernel does not support them.
fn on_gpu(
    causal: Causal,
    q: &Tensor<2>,
    keys: &Tensor<3>,
    asked: &Range<usize>,
) -> Option<Tensor<3>> {
    let Causal { heads, start, .. } = causal;
    let [tokens, _] = q.dims();
    let [key_heads, capacity, head_dim] = keys.dims();
    let is_empty = tokens == 0 || asked.is_empty();
    if !Attention::fits(head_dim) || is_empty || !KERNEL.is_trusted(&q.device()) {
        return None;
    }
    let inputs = [GpuTensor::from_float(q)?, GpuTensor::from_float(keys)?];
    let group = heads / key_heads;
    let sizes = [start, heads, group, head_dim / 4, capacity, asked.start];
    let mut params = sizes.map(|size| size as u32).to_vec();
    params.extend([
        asked.len() as u32,
        (1.0 / (head_dim as f32).sqrt()).to_bits(),
        causal.window_word(),
        0,
        0,
        0,
    ]);
    let shape = [tokens, heads, asked.len()];
    let groups = [tokens as u32, heads as u32, 1];
    Some(launch(KERNEL, &inputs, shape, groups, &params))
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[KERNEL],
    beyond_portable: &[],
    cases: &[Case::new(KERNEL, map)],
};

/// The attention weights of two tokens, of which only the second attends to the last key.
fn map(device: &Device) -> Result<Tensor<1>> {
    let keys = wave(0.3, [2, 90, 32], device);
    let q = wave(0.9, [2, 4 * 32], device) * 3.0;
    Ok(attention_map(Causal::of_case(70), q, &keys, 5..72).flatten(0, 2))
}
