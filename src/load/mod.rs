//! Builds the model's modules on a device from a checkpoint's tensors.

mod build;
mod read_back;

pub use build::Builder;
pub use read_back::{HeldMatrix, ReadBack, read_back};
