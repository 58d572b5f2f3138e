//! The largest of a row: `shaders/argmax.wgsl`, so that greedy decoding reads back four bytes a token.

use burn::tensor::{Int, Tensor};

use crate::gpu::kernel::{GpuTensor, Kernel, kernel, launch_into, output};

pub(super) const KERNEL: Kernel = kernel!("argmax");

/// The index of the largest of `x` `[1, count]`, the first of equals, `[1]`; -1 where one is no finite number. None where
/// `x` is not on wgpu: there it is cheap to read.
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
