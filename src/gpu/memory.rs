//! Peak device memory, for benchmarks and tests. Sampled whenever a kernel's output is allocated, which is where the
//! large allocations happen.

use std::cell::Cell;

thread_local! {
    /// Peak bytes in use, while measuring.
    static MOST: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Starts measuring the memory that this thread uses, until [`peak`].
pub fn watch() {
    MOST.set(Some(0));
}

/// The most bytes in use at once since [`watch`], weights included; none if no kernel ran.
pub fn peak() -> Option<u64> {
    MOST.take().filter(|&bytes| bytes > 0)
}

/// Records the bytes in use, if measuring.
pub(super) fn note(in_use: impl FnOnce() -> u64) {
    if let Some(most) = MOST.get() {
        MOST.set(Some(most.max(in_use())));
    }
}
