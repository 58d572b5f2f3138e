//! From a checkpoint's tensors to the model's modules on a device.

mod build;
mod read_back;

pub use build::Builder;
pub use read_back::{HeldMatrix, ReadBack, read_back};
