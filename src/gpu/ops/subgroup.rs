//! Kernel variants that reduce over groups of eight threads, where the adapter has subgroups.

use crate::gpu::adapter::Variants;
use crate::gpu::kernel::{Kernel, SUBGROUPS};

/// Threads of `norm` and `decode_attention` that compute their sum or maximum with subgroup operations.
pub(super) const EIGHT: u32 = Variants::LEAST_SUBGROUP as u32;

/// The variant of `kernel` for `variants`, with reductions over eight threads if subgroups are enabled.
pub(super) fn by_eight(kernel: Kernel, variants: Variants) -> Kernel {
    match variants.subgroups {
        true => kernel.with("LANES", EIGHT).with(SUBGROUPS, 1),
        false => kernel,
    }
}
