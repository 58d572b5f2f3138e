//! Atomic and durable writes: after a crash or a power failure a file or folder is complete or
//! absent.
//!
//! Contents are synced to the disk before they are renamed; the parent folder is synced before the
//! replaced data is removed. One program at a time writes to a folder ([`lock`]).

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Prefix of temporary files; the dot keeps them from being mistaken for a model's files.
const TEMPORARY: &str = ".inf-llava-";
/// A lock file may be removed by its holder while it is opened here; then it is opened again, at
/// most this often.
const LOCK_ATTEMPTS: usize = 100;

/// A disk operation, recorded so that tests can check the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The file's contents were synced.
    Synced(PathBuf),
    /// The folder's entries were synced.
    SyncedFolder(PathBuf),
    /// The first path was renamed to the second.
    Renamed(PathBuf, PathBuf),
    /// A file, or a folder with its contents, was removed.
    Removed(PathBuf),
}

thread_local! {
    static STEPS: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
}

/// Runs `work`, and returns its disk operations on this thread, in order.
pub fn recorded<T>(work: impl FnOnce() -> T) -> (T, Vec<Step>) {
    STEPS.set(Some(Vec::new()));
    let done = work();
    (done, STEPS.take().unwrap_or_default())
}

fn record(step: impl FnOnce() -> Step) {
    STEPS.with_borrow_mut(|steps| {
        if let Some(steps) = steps {
            steps.push(step());
        }
    });
}

/// An [`Error::Output`] about `path`.
pub fn failed(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Output {
        file: path.display().to_string(),
        reason: reason.to_string(),
    }
}

/// The path of `folder` with `.suffix` appended to its name; a trailing slash is ignored.
pub fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}"));
    folder.with_file_name(name)
}

/// Whether this is the name of a file that an interrupted [`write_file`] left behind.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

/// Writes a file atomically: readers of `path` find the complete new contents or the old ones. A
/// link is followed; a pipe or a device (`/dev/stdout`) is written to directly; a pipe without a
/// reader is an error, without waiting.
///
/// # Errors
/// [`Error::Output`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes).map_err(|e| failed(path, e))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        // For a pipe without a reader, the system's error is "no such device". This handle keeps
        // the reader from seeing the pipe's end until the pipe is opened for blocking writes, which
        // this handle cannot do.
        #[cfg(unix)]
        let _reader_is_there = {
            use std::os::unix::fs::OpenOptionsExt;
            let opened = OpenOptions::new()
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(path);
            opened.map_err(|error| match error.raw_os_error() {
                Some(libc::ENXIO) => io::Error::new(error.kind(), "nobody reads this pipe"),
                _ => error,
            })?
        };
        return File::create(path)?.write_all(bytes);
    }
    let target = match &old {
        Some(_) => fs::canonicalize(path)?,
        None => path.to_path_buf(),
    };
    let folder = folder_of(&target);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = folder.join(format!("{TEMPORARY}{}-{count}.tmp", std::process::id()));
    let written = create(&part, bytes, old.map(|old| old.permissions()))
        .and_then(|()| rename(&part, &target));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&part);
        return written;
    }
    sync_names(folder)
}

/// Writes a file into a folder that is not yet renamed to its final name; [`put_in_place`] or
/// [`replace`] syncs the folder.
///
/// # Errors
/// [`Error::Output`].
pub fn write_in_unfinished(path: &Path, bytes: &[u8]) -> Result<()> {
    // A file left by an interrupted run is removed first, since it may be a link.
    let removed = match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    };
    removed
        .and_then(|()| create(path, bytes, None))
        .map_err(|e| failed(path, e))
}

fn create(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()?;
    record(|| Step::Synced(path.to_path_buf()));
    Ok(())
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    record(|| Step::Renamed(from.to_path_buf(), to.to_path_buf()));
    Ok(())
}

/// The parent folder of `path`.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Syncs a folder's entries to the disk.
///
/// # Errors
/// [`Error::Output`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    sync_names(folder).map_err(|e| failed(folder, e))
}

fn sync_names(folder: &Path) -> io::Result<()> {
    // Other systems cannot open a folder like this; there the file system alone is responsible.
    if cfg!(unix) {
        match File::open(folder).and_then(|open| open.sync_all()) {
            // Some file systems (network, user space) do not support it.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            other => other?,
        }
    }
    record(|| Step::SyncedFolder(folder.to_path_buf()));
    Ok(())
}

/// Creates a folder and its missing parents.
///
/// # Errors
/// [`Error::Output`].
pub fn create_folder(folder: &Path) -> Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|path| *path != Path::new("") && !path.exists())
        .collect();
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    for made in missing.iter().rev() {
        sync_folder(folder_of(made))?;
    }
    Ok(())
}

/// Renames the folder `part`, whose files are synced, to its final name, which must be free.
///
/// # Errors
/// [`Error::Output`].
pub fn put_in_place(part: &Path, folder: &Path) -> Result<()> {
    sync_folder(part)?;
    rename(part, folder).map_err(|e| failed(folder, e))?;
    sync_folder(folder_of(folder))
}

/// Replaces `folder` with the folder `next`, whose files are synced; between the two renames the
/// previous contents are named `old`. At every moment one of the three is complete; [`put_back`]
/// handles an interruption.
///
/// # Errors
/// [`Error::Output`].
pub fn replace(folder: &Path, next: &Path, old: &Path) -> Result<()> {
    sync_folder(next)?;
    remove_folder(old)?;
    if folder.exists() {
        rename(folder, old).map_err(|e| failed(folder, e))?;
    }
    rename(next, folder).map_err(|e| failed(folder, e))?;
    sync_folder(folder_of(folder))?;
    remove_folder(old)
}

/// Renames `old` back to `folder`, if [`replace`] was interrupted between its two renames.
///
/// # Errors
/// [`Error::Output`].
pub fn put_back(folder: &Path, old: &Path) -> Result<()> {
    match !folder.exists() && old.exists() {
        true => put_in_place(old, folder),
        false => Ok(()),
    }
}

/// Removes a file.
///
/// # Errors
/// [`Error::Output`].
pub fn remove_file(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|e| failed(path, e))?;
    record(|| Step::Removed(path.to_path_buf()));
    Ok(())
}

/// Removes a folder with its contents, if it exists.
///
/// # Errors
/// [`Error::Output`].
pub fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {
            record(|| Step::Removed(folder.to_path_buf()));
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(folder, error)),
    }
}

/// Excludes other programs from writing to a folder while it is held. The system releases it when
/// the program ends for any reason.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Closed after the lock file is removed, which releases the lock.
    _file: File,
}

/// Locks `folder` for this program with the lock file `path`, whose parent folder is created if
/// missing.
///
/// # Errors
/// [`Error::FolderInUse`] if another program holds the lock; [`Error::Output`] if the folder cannot
/// be locked.
pub fn lock(folder: &Path, path: PathBuf) -> Result<Lock> {
    create_folder(folder_of(&path))?;
    for _ in 0..LOCK_ATTEMPTS {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|e| failed(&path, e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => break,
            Err(TryLockError::Error(error)) => {
                return Err(failed(
                    &path,
                    format!(
                        "it cannot be locked ({error}); choose a folder on another file system"
                    ),
                ));
            }
        }
        // The previous holder may just have removed the file; then this locks a file that no other
        // program can open.
        if is_same(&file, &path) {
            return Ok(Lock { path, _file: file });
        }
    }
    Err(Error::FolderInUse {
        folder: folder.display().to_string(),
    })
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |found: fs::Metadata| (found.dev(), found.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(found)) => place(held) == place(found),
        _ => false,
    }
}

/// On other systems the lock file is never removed.
#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock file that remains does not lock anything.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
