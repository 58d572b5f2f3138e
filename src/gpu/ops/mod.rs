//! The operations with a WGSL kernel. Each chooses its body by where its tensors live.

mod crop_patchify;
mod dem_attention;

pub use crop_patchify::{CropShape, Square, crop_patchify};
pub use dem_attention::{Cut, DemShape, dem_attention};

/// Source and name of every kernel, for checks that want them all.
pub const SHADERS: &[(&str, &str)] = &[
    ("crop_patchify", crop_patchify::SHADER),
    ("dem_attention", dem_attention::SHADER),
];
