//! The operations on burn tensors: what runs where WGSL does not, and what the kernels are held to.

mod crop_patchify;
mod dem_attention;
mod linear;
mod quantized_linear;
mod self_attention;

pub use crop_patchify::crop_patchify;
pub use dem_attention::dem_attention;
pub use linear::linear;
pub use quantized_linear::quantized_linear;
pub use self_attention::self_attention;
