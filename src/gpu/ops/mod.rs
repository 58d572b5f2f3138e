//! The operations with a WGSL kernel. Each chooses its body by where its tensors live.

mod argmax;
mod attention;
mod causal_attention;
mod crop_patchify;
mod dem_attention;
mod norm;
mod product;
mod rotary_cache;
mod self_attention;

use super::kernel::Kernel;
pub use argmax::argmax;
pub use causal_attention::causal_attention;
pub use crop_patchify::{CropShape, Square, crop_patchify};
pub use dem_attention::{Cut, DemShape, dem_attention};
pub use norm::{layer_norm, rms_norm};
pub use product::{Matrix, With, product};
pub use rotary_cache::rotary_cache;
pub use self_attention::self_attention;

/// Every kernel in every variant, for checks that want them all.
pub const KERNELS: &[Kernel] = &[
    argmax::KERNEL,
    attention::KERNEL,
    attention::KERNEL.with("CUT", 1),
    attention::KERNEL.with("CUT", 2),
    causal_attention::COMBINE,
    causal_attention::DECODE,
    crop_patchify::KERNEL,
    norm::KERNEL,
    norm::KERNEL.with("LAYER", 1),
    product::MATMUL,
    product::MATMUL.with("GATED", 1),
    product::MATVEC,
    product::MATVEC.with("GATED", 1).with("NORM", 1),
    product::QUANTIZED_MATMUL,
    product::QUANTIZED_MATMUL.with("BITS", 8).with("GATED", 1),
    product::QUANTIZED_MATVEC,
    product::QUANTIZED_MATVEC.with("LANES", 4),
    product::QUANTIZED_MATVEC
        .with("BITS", 8)
        .with("GATED", 1)
        .with("NORM", 1),
    rotary_cache::KERNEL,
];
