//! Memory maps of model files, and an explanation if such a file is truncated while it is in use.
//!
//! If another program shortens a mapped file, the system kills a process that reads beyond the new
//! end with SIGBUS. Files are checked before each question; for changes in between,
//! [`explain_cut_offs`] makes the process end with a message. Native only.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

/// Exit code after a model's file was truncated: that of a damaged model folder.
pub const CUT_OFF_EXIT_CODE: u8 = 3;

/// Maps the bytes `range` of `file`, which must be within it. `path` is for the message if it is
/// truncated.
pub(super) fn map(file: &File, range: Range<u64>, path: &Path) -> io::Result<Bytes> {
    let length = range.end.saturating_sub(range.start);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    if length == 0 {
        // The system has no empty maps.
        return Ok(Bytes::new());
    }
    // SAFETY: all byte values are valid, so if another program modifies the file the numbers are
    // wrong at worst. If it is truncated the process ends (see above), which is not undefined
    // behaviour.
    let map = unsafe { MmapOptions::new().offset(range.start).len(length).map(file) }?;
    Ok(Bytes::from_owner(Named {
        place: named::add(&map, path),
        map,
    }))
}

/// A map whose file's name is registered while the map exists.
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
        // Before the map is dropped, since its addresses may be reused afterwards.
        self.place.take();
    }
}

#[cfg(unix)]
pub use named::explain_cut_offs;

/// This system has no SIGBUS.
#[cfg(not(unix))]
pub fn explain_cut_offs() {}

#[cfg(not(unix))]
mod named {
    pub(super) struct Place;

    pub(super) fn add(_: &[u8], _: &super::Path) -> Option<Place> {
        None
    }
}

/// Maps addresses to files in a table that a signal handler can read: atomic numbers only, at a
/// fixed place.
#[cfg(unix)]
mod named {
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    /// Size of the table. The released model has 700 tensors, of a few pieces each. Maps beyond
    /// this are not registered.
    const PLACES: usize = 4096;
    /// Bytes of a path in the message; of a longer path the end.
    const NAME: usize = 240;

    struct Entry {
        /// Address of the first byte; 0 if the entry is free, 1 while it is being written.
        start: AtomicUsize,
        /// Address after the last byte.
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

    /// A map's entry in the table, which is freed when this is dropped.
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

    /// The previous handler of SIGBUS.
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

    /// From now on, if a model's file is truncated while it is in use, the process writes a line
    /// that names it to stderr and ends with [`super::CUT_OFF_EXIT_CODE`]. Any other SIGBUS is
    /// handled as before.
    pub fn explain_cut_offs() {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: sigaction reads and writes the given structures, which live long enough; all
        // zeros is a valid one. The handler calls only what is allowed in a handler (see there).
        unsafe {
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), before.as_mut_ptr()) != 0 {
                return;
            }
            if BEFORE.set(before.assume_init()).is_err() {
                return; // it is already installed
            }
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = explain as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
        }
    }

    /// Takes no lock, allocates nothing and does not unwind: atomic loads, `write`, `_exit` and
    /// `sigaction` are allowed in a signal handler by POSIX.
    extern "C" fn explain(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: with SA_SIGINFO the system gives a valid pointer.
        let address = unsafe { (*info).si_addr() } as usize;
        let is_there = |entry: &&Entry| {
            let start = entry.start.load(Ordering::Acquire);
            start > TAKEN && (start..entry.end.load(Ordering::Relaxed)).contains(&address)
        };
        let Some(entry) = TABLE.iter().find(is_there) else {
            // Not one of the maps: restores the previous handler, which then gets the repeated
            // fault.
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
            // Control characters, which could affect a terminal, are replaced.
            *byte = match place.load(Ordering::Relaxed) {
                control if control < 32 || control == 127 => b'?',
                byte => byte,
            };
        }
        say(&name[..length]);
        say(b"; copy or download the model again\n");
        // SAFETY: _exit ends the process at once, without running any destructor or exit handler.
        unsafe { libc::_exit(i32::from(super::CUT_OFF_EXIT_CODE)) };
    }

    fn say(bytes: &[u8]) {
        // SAFETY: the pointer and the length belong to one slice. A failure to write is ignored.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
    }
}
