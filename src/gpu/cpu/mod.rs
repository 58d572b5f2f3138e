//! The processor: what lies in its memory, and operations for which burn tensors there would take too much of it.

mod quantized_linear;

use burn::backend::Flex;
use burn::tensor::{Device, Tensor};

pub use quantized_linear::quantized_linear;

/// Whether tensors on `device` lie in the program's own memory.
pub fn is_host(device: &Device) -> bool {
    let probe = Tensor::<1>::empty([1], device);
    probe.try_into_primitive::<Flex>().is_ok()
}
