//! Row-wise normalisation: `shaders/norm.wgsl`, or the reference implementation.

use burn::tensor::Tensor;

use super::kernel_set::{Case, KernelSet, wave};
use super::subgroup::EIGHT;
use crate::error::Result;
use crate::gpu::adapter;
use crate::gpu::cpu;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::kernel::SUBGROUPS;
use crate::gpu::kernel::{GpuTensor, Kernel, in_rows, kernel, launch};
use crate::gpu::ops::subgroup::by_eight;
use crate::gpu::reference;
use burn::tensor::Device;

pub(super) const KERNEL: Kernel = kernel!("norm");

/// `x / sqrt(mean(x^2) + eps) * weight` of each row: `x` `[rows, channels]`, `weight` `[channels]`. f32.
pub fn rms_norm(x: Tensor<2>, weight: Tensor<1>, eps: f64) -> Tensor<2> {
    let on_cpu = || cpu::rms_norm(&x, &weight, eps);
    match on_gpu(&x, &weight, None, eps).or_else(on_cpu) {
        Some(y) => y,
        None => {
            falls_back("norm", &x.device());
            reference::rms_norm(x, weight, eps)
        }
    }
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` of each row, biased variance: `x` `[rows, channels]`, `weight`
/// and `bias` `[channels]`. f32.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Tensor<2> {
    let on_cpu = || cpu::layer_norm(&x, &weight, &bias, eps);
    match on_gpu(&x, &weight, Some(&bias), eps).or_else(on_cpu) {
        Some(y) => y,
        None => {
            falls_back("norm", &x.device());
            reference::layer_norm(x, weight, bias, eps)
        }
    }
}

/// None if the tensors are not on wgpu, or the kernel does not support them: it reads four channels at once.
fn on_gpu(
    x: &Tensor<2>,
    weight: &Tensor<1>,
    bias: Option<&Tensor<1>>,
    eps: f64,
) -> Option<Tensor<2>> {
    let [rows, channels] = x.dims();
    if !channels.is_multiple_of(4) || rows == 0 || !KERNEL.is_trusted(&x.device()) {
        return None;
    }
    let device = x.device();
    let x = GpuTensor::from_float(x)?;
    let inputs = [
        x.clone(),
        GpuTensor::from_float(weight)?,
        x.or_absent(bias, 0)?,
    ];
    let [groups_x, groups_y] = in_rows(rows);
    let kernel = KERNEL.with("LAYER", u32::from(bias.is_some()));
    let kernel = by_eight(kernel, adapter::variants(&device));
    let params = [
        rows as u32,
        (channels / 4) as u32,
        groups_x,
        (eps as f32).to_bits(),
    ];
    let groups = [groups_x, groups_y, 1];
    Some(launch(kernel, &inputs, [rows, channels], groups, &params))
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[KERNEL, KERNEL.with("LAYER", 1)],
    beyond_portable: &[KERNEL.with("LANES", EIGHT).with(SUBGROUPS, 1)],
    cases: &[Case::new(KERNEL, norm)],
};

fn norm(device: &Device) -> Result<Tensor<1>> {
    let x = wave(0.7, [3, 100], device) + 2.0;
    let (weight, bias) = (wave(0.3, [100], device), wave(0.2, [100], device));
    let rms = rms_norm(x.clone(), weight.clone(), 1e-5);
    let layer = layer_norm(x, weight, bias, 1e-5);
    Ok(Tensor::cat(vec![rms, layer], 0).flatten(0, 1))
}
