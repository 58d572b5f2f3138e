//! The CPU: which tensors are in host memory, and operations for which burn tensors on the CPU would take too much
//! memory.

mod quantized_linear;

use burn::backend::Flex;
use burn::tensor::{Device, Tensor};

pub use quantized_linear::quantized_linear;

/// Whether tensors on `device` are in host memory.
pub fn is_host(device: &Device) -> bool {
    let probe = Tensor::<1>::empty([1], device);
    probe.try_into_primitive::<Flex>().is_ok()
}
