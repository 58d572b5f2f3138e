//! The CPU: which tensors are in host memory, and operations on their numbers, for which burn's would take more time or memory.

mod attention;
mod host;
mod norm;
mod product;

use burn::backend::Flex;
use burn::tensor::{Device, Tensor};

pub use attention::{causal_attention, rotary_cache, self_attention};
pub use norm::{layer_norm, rms_norm};
pub use product::product;

/// Whether tensors on `device` are in host memory.
pub fn is_host(device: &Device) -> bool {
    let probe = Tensor::<1>::empty([1], device);
    probe.try_into_primitive::<Flex>().is_ok()
}
