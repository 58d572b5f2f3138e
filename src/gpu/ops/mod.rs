//! The operations with a WGSL kernel. Each chooses its body by where its tensors live.

mod crop_patchify;
mod dem_attention;
mod linear;
mod quantized_linear;
mod self_attention;

use super::kernel::Kernel;
pub use crop_patchify::{CropShape, Square, crop_patchify};
pub use dem_attention::{Cut, DemShape, dem_attention};
pub use linear::linear;
pub use quantized_linear::quantized_linear;
pub use self_attention::self_attention;

/// Every kernel in every variant, for checks that want them all.
pub const KERNELS: &[Kernel] = &[
    crop_patchify::KERNEL,
    dem_attention::KERNEL,
    linear::MATMUL,
    linear::MATVEC,
    quantized_linear::MATMUL,
    quantized_linear::MATMUL.with("BITS", 8),
    quantized_linear::MATVEC,
    quantized_linear::MATVEC.with("BITS", 8),
];
