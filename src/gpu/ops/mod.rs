//! The operations with a WGSL kernel. Each chooses its implementation by the device of its tensors.

mod argmax;
mod attention;
mod attention_map;
mod causal_attention;
mod crop_patchify;
mod dem_attention;
mod kernel_set;
mod norm;
mod product;
mod rotary_cache;
mod self_attention;
mod subgroup;

use burn::tensor::Device;

use super::adapter;
use super::kernel::Kernel;
use crate::error::{Error, Result};
use attention::Attention;

pub use argmax::argmax;
pub use attention_map::attention_map;
pub use causal_attention::{Causal, causal_attention};
pub use crop_patchify::{Canvas, ViewShape, crop_patchify};
pub use dem_attention::{Cut, DemShape, dem_attention};
pub use kernel_set::Case;
use kernel_set::KernelSet;
pub use norm::{layer_norm, rms_norm};
pub use product::{Fused, Matrix, product};
pub use rotary_cache::rotary_cache;
pub use self_attention::self_attention;

/// What each operation's file brings.
const SETS: &[KernelSet] = &[
    argmax::SET,
    attention::SET,
    attention_map::SET,
    causal_attention::SET,
    crop_patchify::SET,
    dem_attention::SET,
    norm::SET,
    product::SET,
    rotary_cache::SET,
    self_attention::SET,
];

/// Whether heads of so many channels have an attention kernel.
pub fn has_attention_kernel(head_dim: usize) -> bool {
    Attention::fits(head_dim)
}

/// Every kernel in every variant that all adapters run.
pub fn kernels() -> impl Iterator<Item = &'static Kernel> {
    SETS.iter().flat_map(|set| set.portable)
}

/// The variants that need optional adapter features.
pub fn beyond_portable() -> impl Iterator<Item = &'static Kernel> {
    SETS.iter().flat_map(|set| set.beyond_portable)
}

/// The cases of the self-test: one or several for each kernel.
pub fn cases() -> Vec<Case> {
    SETS.iter().flat_map(|set| set.cases).copied().collect()
}

/// Stops every variant of the kernel `name` from being launched on `device`.
///
/// # Errors
/// [`Error::Option`] listing the names, if no kernel has this name.
pub fn disable_kernel(name: &str, device: &Device) -> Result<()> {
    let Some(kernel) = kernels().find(|kernel| kernel.name == name) else {
        let mut names: Vec<&str> = kernels().map(|kernel| kernel.name).collect();
        names.dedup();
        return Err(Error::Option {
            option: "without-kernel".into(),
            reason: format!("{name:?} is none of {}", names.join(", ")),
        });
    };
    adapter::disable_kernel(device, kernel.name);
    Ok(())
}

/// A hash of this version's kernel sources: measurements made with other kernels are not reused.
pub fn kernels_hash() -> u64 {
    // FNV-1a.
    let bytes = kernels().flat_map(|kernel| kernel.file_text().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}
