//! The operations with a WGSL kernel. Each chooses its implementation by the device of its tensors.

mod argmax;
mod attention;
mod attention_map;
mod causal_attention;
mod crop_patchify;
mod dem_attention;
mod norm;
mod product;
mod rotary_cache;
mod self_attention;
mod subgroup;

use burn::tensor::Device;

use super::adapter;
use super::kernel::{HALF, Kernel, SUBGROUPS};
use crate::error::{Error, Result};
pub use argmax::argmax;
pub use attention_map::attention_map;
pub use causal_attention::{Causal, causal_attention};
pub use crop_patchify::{Canvas, ViewShape, crop_patchify};
pub use dem_attention::{Cut, DemShape, dem_attention};
pub use norm::{layer_norm, rms_norm};
pub use product::{Fused, Matrix, product};
pub use rotary_cache::rotary_cache;
pub use self_attention::self_attention;
use subgroup::EIGHT;

/// The kernels, one for each WGSL file.
pub mod kernels {
    use super::Kernel;

    pub const ARGMAX: Kernel = super::argmax::KERNEL;
    pub const ATTENTION: Kernel = super::attention::KERNEL;
    pub const ATTENTION_MAP: Kernel = super::attention_map::KERNEL;
    pub const CROP_PATCHIFY: Kernel = super::crop_patchify::KERNEL;
    pub const DECODE_ATTENTION: Kernel = super::causal_attention::DECODE;
    pub const DECODE_COMBINE: Kernel = super::causal_attention::COMBINE;
    pub const MATMUL: Kernel = super::product::MATMUL;
    pub const MATVEC: Kernel = super::product::MATVEC;
    pub const NORM: Kernel = super::norm::KERNEL;
    pub const QUANTIZED_MATMUL: Kernel = super::product::QUANTIZED_MATMUL;
    pub const QUANTIZED_MATVEC: Kernel = super::product::QUANTIZED_MATVEC;
    pub const ROTARY_CACHE: Kernel = super::rotary_cache::KERNEL;
}

/// Stops every variant of the kernel `name` from being launched on `device`.
///
/// # Errors
/// [`Error::Option`] listing the names, if no kernel has this name.
pub fn do_without(name: &str, device: &Device) -> Result<()> {
    let Some(kernel) = KERNELS.iter().find(|kernel| kernel.name == name) else {
        let mut names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
        names.dedup();
        return Err(Error::Option {
            option: "without-kernel".into(),
            reason: format!("{name:?} is none of {}", names.join(", ")),
        });
    };
    adapter::distrust(device, kernel.name);
    Ok(())
}

/// Every kernel, for checks that run all of them.
pub const KERNELS: &[Kernel] = &[
    argmax::KERNEL,
    attention::KERNEL,
    attention::KERNEL.with("CUT", 1),
    attention::KERNEL.with("CUT", 2),
    attention_map::KERNEL,
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

/// A hash of this version's kernel sources: measurements made with other kernels are not reused.
pub fn kernels_hash() -> u64 {
    // FNV-1a.
    let bytes = KERNELS.iter().flat_map(|kernel| kernel.file_text().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The variants that need optional adapter features.
pub const BEYOND_PORTABLE: &[Kernel] = &[
    attention::KERNEL.with(HALF, 1),
    product::MATMUL.with(HALF, 1),
    product::QUANTIZED_MATMUL.with(HALF, 1),
    norm::KERNEL.with("LANES", EIGHT).with(SUBGROUPS, 1),
    causal_attention::DECODE
        .with("LANES", EIGHT)
        .with(SUBGROUPS, 1),
    product::MATVEC.with("NORM", 1).with(SUBGROUPS, 1),
    product::QUANTIZED_MATVEC.with("NORM", 1).with(SUBGROUPS, 1),
];
