//! The index of the largest value: `shaders/argmax.wgsl`, so that greedy decoding reads back only four bytes per
//! token.

use burn::tensor::{Int, Tensor};

use super::kernel_set::{Case, KernelSet, wave};
use crate::error::Result;
use crate::gpu::kernel::{GpuTensor, Kernel, kernel, launch_into, output};
use burn::tensor::Device;

pub(super) const KERNEL: Kernel = kernel!("argmax");

/// The index of the largest value of `x` `[1, count]` (the first if several are equal), `[1]`; -1 if any value is not
/// finite. None if `x` is not on wgpu: reading it there is cheap.
pub fn argmax(x: &Tensor<2>) -> Option<Tensor<1, Int>> {
    let [_, count] = x.dims();
    if !KERNEL.is_trusted(&x.device()) {
        return None;
    }
    let x = GpuTensor::from_float(x)?;
    let place = output(&x, [1]);
    launch_into(KERNEL, &[x], &place, [1, 1, 1], &[count as u32, 0, 0, 0]);
    Some(place.into_int())
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[KERNEL],
    beyond_portable: &[],
    cases: &[Case::new(KERNEL, largest)],
};

fn largest(device: &Device) -> Result<Tensor<1>> {
    let x = wave(0.37, [1, 1000], device);
    Ok(match argmax(&x) {
        Some(place) => place.float(),
        None => x.argmax(1).float().flatten(0, 1),
    })
}
