//! Memory maps of model files, and what is said when one of them is cut off while it is read.
//!
//! A map's pages are the file's own. Where another program shortens the file, the system has nothing to give for the
//! pages behind its end, and ends whoever reads them with SIGBUS. Files are looked at before each question; for what
//! happens between, [`explain_cut_offs`] makes the end one with a reason. Natively only.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

/// With which the program ends when a model's file was cut off: that of a broken model folder.
pub const CUT_OFF_EXIT_CODE: u8 = 3;

/// The bytes `range` of `file`, which lies within it, as long as they are wanted. `path` is told if it is cut off.
pub(super) fn map(file: &File, range: Range<u64>, path: &Path) -> io::Result<Bytes> {
    let length = range.end.saturating_sub(range.start);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    if length == 0 {
        // The system has no empty maps.
        return Ok(Bytes::new());
    }
    // SAFETY: the bytes are read as numbers of any value, so a file that another program writes to gives wrong
    // numbers at worst. If it is cut off the program ends (see above), which is no undefined behaviour.
    let map = unsafe { MmapOptions::new().offset(range.start).len(length).map(file) }?;
    Ok(Bytes::from_owner(Named {
        place: named::add(&map, path),
        map,
    }))
}

/// A map that is known by its file's name while it is there.
struct Named {
    map: Mmap,
    place: Option<named::Place>,
}

impl AsRef<[u8]> for Named {
    fn as_ref(&self) -> &[u8] {
        &self.map
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // Before the map goes: its addresses may be something else's afterwards.
        self.place.take();
    }
}

#[cfg(unix)]
pub use named::explain_cut_offs;

/// There is no SIGBUS.
#[cfg(not(unix))]
pub fn explain_cut_offs() {}

#[cfg(not(unix))]
mod named {
    pub(super) struct Place;

    pub(super) fn add(_: &[u8], _: &super::Path) -> Option<Place> {
        None
    }
}

/// Which addresses are of which file, in a table that a signal handler may read: of atomic numbers alone, never moved.
#[cfg(unix)]
mod named {
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    /// The released model has 700 tensors, of a few pieces each. A map for which there is no room has no name.
    const PLACES: usize = 4096;
    /// Bytes of a path that are told; of a longer one the end.
    const NAME: usize = 240;

    struct Entry {
        /// Of the first byte; 0 is free, 1 is being written.
        start: AtomicUsize,
        /// Behind the last byte.
        end: AtomicUsize,
        name: [AtomicU8; NAME],
        /// Bytes of the name.
        length: AtomicUsize,
    }

    const FREE: usize = 0;
    const TAKEN: usize = 1;

    static TABLE: [Entry; PLACES] = [const {
        Entry {
            start: AtomicUsize::new(FREE),
            end: AtomicUsize::new(0),
            name: [const { AtomicU8::new(0) }; NAME],
            length: AtomicUsize::new(0),
        }
    }; PLACES];

    /// A map's place in the table, which is free again when this is dropped.
    pub(super) struct Place(&'static Entry);

    impl Drop for Place {
        fn drop(&mut self) {
            self.0.start.store(FREE, Ordering::Release);
        }
    }

    pub(super) fn add(map: &[u8], path: &Path) -> Option<Place> {
        let entry = TABLE.iter().find(|entry| {
            let taken =
                entry
                    .start
                    .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            taken.is_ok()
        })?;
        let path = path.as_os_str().as_bytes();
        let told = &path[path.len().saturating_sub(NAME)..];
        for (place, byte) in entry.name.iter().zip(told) {
            place.store(*byte, Ordering::Relaxed);
        }
        entry.length.store(told.len(), Ordering::Relaxed);
        let start = map.as_ptr() as usize;
        entry.end.store(start + map.len(), Ordering::Relaxed);
        entry.start.store(start, Ordering::Release);
        Some(Place(entry))
    }

    /// What SIGBUS did before.
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

    /// From now on, a model's file that is cut off while it is read ends the program with a line on stderr that names
    /// it and with [`super::CUT_OFF_EXIT_CODE`]. Any other SIGBUS does what it did before.
    pub fn explain_cut_offs() {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: sigaction reads and writes the structures that it is given, which live long enough; all zeros is
        // a valid one. The handler keeps to what a handler may do (see there).
        unsafe {
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), before.as_mut_ptr()) != 0 {
                return;
            }
            if BEFORE.set(before.assume_init()).is_err() {
                return; // it is in place already
            }
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = explain as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    }

    /// Nothing here takes a lock, has memory allocated, or unwinds: atomic loads, `write`, `_exit` and `sigaction` are
    /// what POSIX lets a handler call.
    extern "C" fn explain(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: with SA_SIGINFO the system gives a valid pointer.
        let address = unsafe { (*info).si_addr() } as usize;
        let is_there = |entry: &&Entry| {
            let start = entry.start.load(Ordering::Acquire);
            start > TAKEN && (start..entry.end.load(Ordering::Relaxed)).contains(&address)
        };
        let Some(entry) = TABLE.iter().find(is_there) else {
            // Not ours: what was in place before is again, and meets the same fault.
            if let Some(before) = BEFORE.get() {
                // SAFETY: the structure was filled by the system.
                unsafe { libc::sigaction(libc::SIGBUS, before, std::ptr::null_mut()) };
            }
            return;
        };
        say(b"\nerror: a model file was cut off while it was read: ");
        let mut name = [0; NAME];
        let length = entry.length.load(Ordering::Relaxed).min(NAME);
        for (byte, place) in name.iter_mut().zip(&entry.name) {
            // What could command a terminal is no part of the line.
            *byte = match place.load(Ordering::Relaxed) {
                control if control < 32 || control == 127 => b'?',
                byte => byte,
            };
        }
        say(&name[..length]);
        say(b"; copy or download the model again\n");
        // SAFETY: it ends the process at once and runs nothing of it.
        unsafe { libc::_exit(i32::from(super::CUT_OFF_EXIT_CODE)) };
    }

    fn say(bytes: &[u8]) {
        // SAFETY: the pointer and the length are of one slice. That nobody reads it changes nothing.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
    }
}
