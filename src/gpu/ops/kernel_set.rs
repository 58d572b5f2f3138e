//! What an operation's file says of its kernels: their variants, and small cases that are compared with the CPU before a
//! model runs.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::Result;
use crate::gpu::kernel::Kernel;

/// The kernels of one operation.
#[derive(Clone, Copy)]
pub struct KernelSet {
    /// Each in every variant that all adapters run.
    pub portable: &'static [Kernel],
    /// Variants for adapters with f16 or subgroups.
    pub beyond_portable: &'static [Kernel],
    /// A case or several for each kernel.
    pub cases: &'static [Case],
}

/// A small case of an operation, which tests one of its kernels.
#[derive(Clone, Copy)]
pub struct Case {
    /// The kernel that it tests.
    pub kernel: Kernel,
    /// Computes the case: the same values on every device.
    pub run: fn(&Device) -> Result<Tensor<1>>,
}

impl Case {
    /// For `kernel`, by what `run` computes.
    pub const fn new(kernel: Kernel, run: fn(&Device) -> Result<Tensor<1>>) -> Self {
        Case { kernel, run }
    }
}

/// Values between -1 and 1 without a short period.
pub(super) fn wave<const D: usize>(step: f32, dims: [usize; D], device: &Device) -> Tensor<D> {
    let count = dims.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}
