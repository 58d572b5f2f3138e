//! A counting allocator that measures memory use. The total of all allocations is a measure of work
//! that does not depend on the clock or on other programs.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn took(bytes: usize) {
    ASKED.fetch_add(bytes, Relaxed);
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(held, Relaxed);
}

// SAFETY: every call is forwarded unchanged to the system's allocator; counting does not touch its
// memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller satisfies the requirements of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller satisfies the requirements of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the pointer came from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old and the new block exist at the same time while one is copied to the other.
        took(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the pointer came from `System`, with this layout; the caller vouches for `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Memory that a piece of work used, in bytes.
#[allow(dead_code)] // Not every target uses both fields.
pub struct Taken {
    /// The peak.
    pub peak: usize,
    /// The total of all allocations.
    pub asked: usize,
}

/// Runs `work` and returns its result with the memory it used.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let (held, asked) = (HELD.load(Relaxed), ASKED.load(Relaxed));
    PEAK.store(held, Relaxed);
    let result = work();
    let taken = Taken {
        peak: PEAK.load(Relaxed).saturating_sub(held),
        asked: ASKED.load(Relaxed) - asked,
    };
    (result, taken)
}
