//! Whether kernels write all of their outputs and nothing beside them: for tests.

use std::cell::RefCell;

use burn::tensor::{Int, Tensor};

/// Around a guarded output: no adapter wants bindings to begin at multiples of more bytes.
const GUARD_BYTES: usize = 256;
const WORD: usize = size_of::<u32>();
/// A NaN that no computation gives.
const SENTINEL: u32 = 0x7fc0_beef;

/// An output with what lies around it.
struct Guarded {
    whole: Tensor<1, Int>,
    /// Of the output.
    bytes: usize,
}

thread_local! {
    /// Outputs of this thread, while they are watched.
    static GUARDED: RefCell<Option<Vec<Guarded>>> = const { RefCell::new(None) };
}

/// What kernels did to their outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Writes {
    /// Outputs that were looked at.
    pub outputs: usize,
    /// Words beside them that were written.
    pub outside: usize,
    /// Words of them that were not.
    pub missing: usize,
}

/// Runs `run` on this thread, and looks at what its kernels have written, and where.
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

/// Where an output is to lie among sentinels, and how many words they are in all; none where nothing is watched.
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

/// Room for an output, in bytes before and behind it.
pub(super) struct Place {
    pub sentinels: Vec<u32>,
    pub before: usize,
    pub behind: usize,
}

/// Watches an output of so many bytes in the `whole` of its [`Place`].
pub(super) fn watch(whole: Tensor<1, Int>, bytes: usize) {
    GUARDED.with_borrow_mut(|guarded| {
        if let Some(guarded) = guarded {
            guarded.push(Guarded { whole, bytes });
        }
    });
}
