//! Kernels of which eight threads each go together, where the adapter has subgroups.

use crate::gpu::adapter::Variants;
use crate::gpu::kernel::{Kernel, SUBGROUPS};

/// Threads of `norm` and `decode_attention` that find their sum or maximum through their subgroup.
pub(super) const EIGHT: u32 = Variants::LEAST_SUBGROUP as u32;

/// The variant of `kernel` for `variants`, where eight threads each go together.
pub(super) fn by_eight(kernel: Kernel, variants: Variants) -> Kernel {
    match variants.subgroups {
        true => kernel.with("LANES", EIGHT).with(SUBGROUPS, 1),
        false => kernel,
    }
}
