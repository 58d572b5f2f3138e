//! Checks in tests that kernels write all of their outputs and nothing else.

use std::cell::RefCell;

use burn::tensor::{Int, Tensor};

/// Guard bytes around an output: no adapter requires a larger alignment of bindings.
const GUARD_BYTES: usize = 256;
const WORD: usize = size_of::<u32>();
/// A NaN bit pattern that no computation produces.
const SENTINEL: u32 = 0x7fc0_beef;

/// An output surrounded by guard words.
struct Guarded {
    whole: Tensor<1, Int>,
    /// Size of the output.
    bytes: usize,
}

thread_local! {
    /// The outputs of this thread, while they are watched.
    static GUARDED: RefCell<Option<Vec<Guarded>>> = const { RefCell::new(None) };
}

/// The result of the check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writes {
    /// Outputs that were checked.
    pub outputs: usize,
    /// Guard words that were overwritten.
    pub outside: usize,
    /// Output words that were not written.
    pub missing: usize,
}

/// Runs `run` on this thread, then checks what its kernels have written.
pub async fn watch_writes<T>(run: impl FnOnce() -> T) -> (T, Writes) {
    GUARDED.set(Some(Vec::new()));
    let result = run();
    let mut writes = Writes::default();
    for Guarded { whole, bytes } in GUARDED.take().unwrap_or_default() {
        let words = whole.into_data_async().await;
        let words = words.map(|data| data.try_into_vec::<i32>().unwrap_or_default());
        let words = words.unwrap_or_default();
        let sentinels = |words: &[i32]| words.iter().filter(|&&w| w as u32 == SENTINEL).count();
        let inside = GUARD_BYTES / WORD..(GUARD_BYTES + bytes) / WORD;
        let missing = words.get(inside.clone()).map_or(inside.len(), sentinels);
        writes.outputs += 1;
        writes.missing += missing;
        writes.outside += words.len() - inside.len() - (sentinels(&words) - missing);
    }
    (result, writes)
}

/// Runs `run` without watching.
pub(super) fn unwatched<T>(run: impl FnOnce() -> T) -> T {
    let watched = GUARDED.take();
    let result = run();
    GUARDED.set(watched);
    result
}

/// The guard layout for an output; None where outputs are not watched.
pub(super) fn place(bytes: usize) -> Option<Place> {
    GUARDED.with_borrow(|guarded| guarded.is_some()).then(|| {
        let behind = GUARD_BYTES + bytes.next_multiple_of(GUARD_BYTES) - bytes;
        Place {
            sentinels: vec![SENTINEL; (GUARD_BYTES + bytes + behind) / WORD],
            before: GUARD_BYTES,
            behind,
        }
    })
}

/// The guard layout of an output: sentinel words for the whole buffer, and the bytes before and after the output.
pub(super) struct Place {
    pub sentinels: Vec<u32>,
    pub before: usize,
    pub behind: usize,
}

/// Watches an output of this many bytes in the `whole` buffer of its [`Place`].
pub(super) fn watch(whole: Tensor<1, Int>, bytes: usize) {
    GUARDED.with_borrow_mut(|guarded| {
        if let Some(guarded) = guarded {
            guarded.push(Guarded { whole, bytes });
        }
    });
}
