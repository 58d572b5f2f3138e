//! Threads that wait for work without sleeping, for a while: a decoded token has hundreds of pieces of work of a few
//! microseconds each, and to wake a thread takes longer than that.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread::{self, Thread};

/// Looks at the work that a thread takes before it sleeps: about a tenth of a millisecond.
const LOOKS: u32 = 4000;
/// Bits of the counts in [`Shared::state`].
const COUNT_BITS: u32 = 20;
/// The most parts of a piece of work.
const MOST_PARTS: usize = (1 << COUNT_BITS) - 1;

type Body<'a> = dyn Fn(usize) + Sync + 'a;

/// The threads of a program, besides those that call it.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<Thread>,
    /// Held while there is work: one piece at a time.
    busy: Mutex<()>,
}

struct Shared {
    /// Number of the piece of work, its parts, and how many of them are taken: whoever increments the last takes a part.
    state: AtomicU64,
    /// What is done with a part. Written before `state` says that there are parts, and not again before all are finished.
    body: UnsafeCell<Option<*const Body<'static>>>,
    finished: AtomicUsize,
    panicked: AtomicBool,
    asleep: Vec<AtomicBool>,
}

// SAFETY: `body` is written by the one thread that holds `Pool::busy`, while no part is taken and unfinished, and read by
// those that have taken a part, which they see after the write, by `state`. What it points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above; the pointer belongs to no thread.
unsafe impl Send for Shared {}

impl Pool {
    /// The program's: as many threads as the processor runs at once.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn of_program() -> &'static Pool {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Pool::new(thread::available_parallelism().map_or(1, usize::from)))
    }

    /// The one that calls, and no other: there are none in a page.
    #[cfg(target_arch = "wasm32")]
    pub fn of_program() -> &'static Pool {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Pool::new(1))
    }

    /// With `threads`, of which the one that calls is one. Threads that cannot be had are done without.
    pub fn new(threads: usize) -> Self {
        let others = threads.saturating_sub(1);
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            body: UnsafeCell::new(None),
            finished: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
            asleep: (0..others).map(|_| AtomicBool::new(false)).collect(),
        });
        let start = |index| {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name("product".into());
            let started = builder.spawn(move || shared.work(index)).ok()?;
            Some(started.thread().clone())
        };
        Pool {
            workers: (0..others).filter_map(start).collect(),
            shared,
            busy: Mutex::new(()),
        }
    }

    /// Threads that work, the calling one included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `body` with every number below `parts`, on any of the threads, and waits until all calls have returned. While
    /// another thread has work here, all are made on this one.
    pub fn run(&self, parts: usize, body: &Body<'_>) {
        let alone = || (0..parts).for_each(body);
        if parts <= 1 || parts > MOST_PARTS || self.workers.is_empty() {
            return alone();
        }
        let _busy = match self.busy.try_lock() {
            Ok(busy) => busy,
            Err(TryLockError::Poisoned(busy)) => busy.into_inner(),
            Err(TryLockError::WouldBlock) => return alone(),
        };
        let shared = &*self.shared;
        // SAFETY: only the lifetime changes. This function returns, or panics, only after all parts are finished, and `body`
        // is called for a part that was taken only.
        let body = unsafe { std::mem::transmute::<&Body<'_>, &Body<'static>>(body) };
        // SAFETY: the piece of work before this one is finished, and there is no other: `busy` is held.
        unsafe { *shared.body.get() = Some(body) };
        shared.finished.store(0, Ordering::Relaxed);
        let number = (shared.state.load(Ordering::Relaxed) >> (2 * COUNT_BITS)).wrapping_add(1);
        let state = number << (2 * COUNT_BITS) | (parts as u64) << COUNT_BITS;
        shared.state.store(state, Ordering::SeqCst);
        for (worker, asleep) in self.workers.iter().zip(&shared.asleep) {
            if asleep.swap(false, Ordering::SeqCst) {
                worker.unpark();
            }
        }
        let mut panic = None;
        // No part is left out for a panic in another.
        while let Err(other) = catch_unwind(AssertUnwindSafe(|| while shared.part() {})) {
            panic = Some(other);
        }
        let mut looks = 0_u32;
        while shared.finished.load(Ordering::Acquire) < parts {
            looks += 1;
            match looks < LOOKS {
                true => std::hint::spin_loop(),
                false => thread::yield_now(),
            }
        }
        let panicked = shared.panicked.swap(false, Ordering::Relaxed);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        if panicked {
            resume_unwind(Box::new("a thread of the processor's products panicked"));
        }
    }

    /// Cuts `all` into chunks of `size`, the last of which may be shorter, and calls `body` with the number of each and the
    /// chunk, on any of the threads.
    pub fn chunks<T: Send>(
        &self,
        all: &mut [T],
        size: usize,
        body: impl Fn(usize, &mut [T]) + Sync,
    ) {
        struct Start<T>(*mut T);
        // SAFETY: each chunk is given to one call, and `T` may be sent to its thread.
        unsafe impl<T: Send> Sync for Start<T> {}
        let (length, size) = (all.len(), size.max(1));
        let start = Start(all.as_mut_ptr());
        let start = &start;
        self.run(length.div_ceil(size), &|index| {
            let first = index * size;
            let count = size.min(length - first);
            // SAFETY: within `all`, which is borrowed until all calls have returned; no two calls have the same number.
            let chunk = unsafe { std::slice::from_raw_parts_mut(start.0.add(first), count) };
            body(index, chunk);
        });
    }
}

impl Shared {
    fn has_parts(&self) -> bool {
        let (parts, taken) = counts(self.state.load(Ordering::SeqCst));
        taken < parts
    }

    /// Takes a part and finishes it. False if there is none.
    fn part(&self) -> bool {
        let state = self.state.load(Ordering::Acquire);
        let (parts, taken) = counts(state);
        if taken >= parts {
            return false;
        }
        let took =
            self.state
                .compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Relaxed);
        if took.is_ok() {
            // SAFETY: a part was taken, so the body is that of its piece of work, and stays until it is finished.
            if let Some(body) = unsafe { *self.body.get() } {
                // Counted even if the body panics, and told before that.
                let mut part = Part {
                    shared: self,
                    has_returned: false,
                };
                // SAFETY: as above.
                unsafe { (*body)(taken) };
                part.has_returned = true;
            }
        }
        true
    }

    fn work(&self, index: usize) {
        let mut looks = 0_u32;
        loop {
            // Who called for the work is told of a panic.
            let worked = catch_unwind(AssertUnwindSafe(|| self.part()));
            match worked.unwrap_or(true) {
                true => looks = 0,
                false => looks += 1,
            }
            if looks < LOOKS {
                std::hint::spin_loop();
                continue;
            }
            self.asleep[index].store(true, Ordering::SeqCst);
            // Unless work came before it was seen that this thread sleeps.
            if !self.has_parts() {
                thread::park();
            }
            self.asleep[index].store(false, Ordering::SeqCst);
            looks = 0;
        }
    }
}

/// The parts of the piece of work, and how many are taken.
fn counts(state: u64) -> (usize, usize) {
    let state = state as usize;
    (state >> COUNT_BITS & MOST_PARTS, state & MOST_PARTS)
}

/// A part that is worked on.
struct Part<'a> {
    shared: &'a Shared,
    has_returned: bool,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if !self.has_returned {
            self.shared.panicked.store(true, Ordering::Relaxed);
        }
        self.shared.finished.fetch_add(1, Ordering::Release);
    }
}
