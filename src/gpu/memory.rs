//! How much of a device's memory is in use at most: for benchmarks and tests. Looked at wherever a kernel's output is
//! made, which is where the large ones are.

use std::cell::Cell;

thread_local! {
    /// Bytes, while they are watched.
    static MOST: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Watches the memory that this thread uses, until [`peak`].
pub fn watch() {
    MOST.set(Some(0));
}

/// The most bytes that were in use at once since [`watch`], the weights among them; none if no kernel ran.
pub fn peak() -> Option<u64> {
    MOST.take().filter(|&bytes| bytes > 0)
}

/// Tells how many bytes are in use, if that is watched.
pub(super) fn note(in_use: impl FnOnce() -> u64) {
    if let Some(most) = MOST.get() {
        MOST.set(Some(most.max(in_use())));
    }
}
