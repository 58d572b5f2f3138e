//! Self-attention of the vision tower: `shaders/attention.wgsl`, whose sets are the crops, or the reference
//! implementation.

use burn::tensor::Tensor;

use super::attention;
use super::attention::{Attention, MapParams};
use super::kernel_set::{Case, KernelSet, wave};
use crate::error::Result;
use crate::gpu::cpu;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::reference;
use burn::tensor::Device;

/// `softmax(Q K^T / sqrt(head_dim)) V` within each crop. `q`, `k`, `v` and the result are `[crops, tokens, C]`. f32.
pub fn self_attention(heads: usize, q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    let [crops, tokens, channels] = q.dims();
    let attention = Attention::of_sets(crops, tokens, heads, channels / heads);
    let on_gpu = attention.run(&MapParams::default(), &q, &k, &v);
    match on_gpu.or_else(|| cpu::self_attention(heads, &q, &k, &v)) {
        Some(mixed) => mixed,
        None => {
            falls_back("attention of the tower", &q.device());
            reference::self_attention(heads, q, k, v)
        }
    }
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[],
    beyond_portable: &[],
    cases: &[Case::new(attention::KERNEL, between_crops)],
};

fn between_crops(device: &Device) -> Result<Tensor<1>> {
    let [q, k, v] = [0.9, 0.3, 0.7].map(|step| wave(step, [2, 70, 2 * 64], device));
    Ok(self_attention(2, q, k, v).flatten(0, 2))
}
