//! The operations with a WGSL kernel. Each chooses its body by where its tensors live.

mod crop_patchify;
mod dem_attention;
mod quantized_linear;

pub use crop_patchify::{CropShape, Square, crop_patchify};
pub use dem_attention::{Cut, DemShape, dem_attention};
pub use quantized_linear::quantized_linear;

/// Source and name of every kernel, for checks that want them all.
pub const SHADERS: &[(&str, &str)] = &[
    ("crop_patchify", crop_patchify::SHADER),
    ("dem_attention", dem_attention::SHADER),
    ("quantized_matmul", quantized_linear::MATMUL_SHADER),
    ("quantized_matvec", quantized_linear::MATVEC_SHADER),
];
