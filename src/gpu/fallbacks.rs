//! Which operations a GPU computes without a kernel of this crate.

use std::cell::RefCell;
use std::collections::BTreeSet;

use burn::tensor::Device;

use super::cpu::is_host;

thread_local! {
    static FALLBACKS: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// The operations that this thread has computed on a GPU by burn's own operations instead of a kernel.
pub fn fallbacks() -> Vec<&'static str> {
    FALLBACKS.with_borrow(|names| names.iter().copied().collect())
}

/// Notes that `operation` has no kernel for what it was asked, where its tensors are on a GPU.
pub(super) fn falls_back(operation: &'static str, device: &Device) {
    if !is_host(device) {
        FALLBACKS.with_borrow_mut(|names| names.insert(operation));
    }
}
