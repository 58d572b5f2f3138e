//! Writing what must be whole or not there at all, also after the power failed.
//!
//! What is written is on the disk before it takes a name; the folder that holds the name is on the disk before what
//! it replaces is removed. One program at a time writes a folder ([`lock`]).

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Temporary files begin with this: a dot, so that nobody takes one for a model's file.
const TEMPORARY: &str = ".inf-llava-";
/// A lock's file may be removed by its holder while it is opened here; then it is opened anew.
const LOCK_ATTEMPTS: usize = 100;

/// Something that was done to the disk, for tests of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The file's bytes are on the disk.
    Synced(PathBuf),
    /// The folder's names are on the disk.
    SyncedFolder(PathBuf),
    /// The first has the second's name now.
    Renamed(PathBuf, PathBuf),
    /// A file, or a folder with all that was in it, is gone.
    Removed(PathBuf),
}

thread_local! {
    static STEPS: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
}

/// Runs `work`, and gives what it did to the disk on this thread, in order.
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

/// `folder` under its own name with `.suffix` behind it, beside it; a slash at its end does not matter.
pub fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{suffix}"));
    folder.with_file_name(name)
}

/// Whether a file of this name is one that [`write_file`] left behind when it was cut off.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY)
}

/// Writes a file: whoever opens `path` finds all of it, or what was there before. A link is followed; a pipe or a
/// device (`/dev/stdout`) is written to as it is; for a pipe's reader nobody waits.
///
/// # Errors
/// [`Error::Output`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, bytes).map_err(|e| failed(path, e))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        // The system's word for a pipe that nobody reads is that there is no such device. What is opened here holds
        // the reader to it until the pipe is opened to be written in whole, as this one cannot.
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
        // The first failure is the one to tell.
        let _ = fs::remove_file(&part);
        return written;
    }
    sync_names(folder)
}

/// Writes a file into a folder that has not its name yet, and whose names [`put_in_place`] or [`replace`] syncs.
///
/// # Errors
/// [`Error::Output`].
pub fn write_in_unfinished(path: &Path, bytes: &[u8]) -> Result<()> {
    // What a run that was cut off left there goes first: it may be a link.
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

/// The folder that holds the name of `path`.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Puts a folder's names on the disk.
///
/// # Errors
/// [`Error::Output`].
pub fn sync_folder(folder: &Path) -> Result<()> {
    sync_names(folder).map_err(|e| failed(folder, e))
}

fn sync_names(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened like this; the file system alone sees to it.
    if cfg!(unix) {
        match File::open(folder).and_then(|open| open.sync_all()) {
            // Some file systems (of a network, of user space) know nothing of it.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            other => other?,
        }
    }
    record(|| Step::SyncedFolder(folder.to_path_buf()));
    Ok(())
}

/// Makes a folder and those above it, where they are missing.
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

/// Gives the folder `part`, whose files are on the disk, its name, which nothing has yet.
///
/// # Errors
/// [`Error::Output`].
pub fn put_in_place(part: &Path, folder: &Path) -> Result<()> {
    sync_folder(part)?;
    rename(part, folder).map_err(|e| failed(folder, e))?;
    sync_folder(folder_of(folder))
}

/// Lets the folder `next`, whose files are on the disk, take the place of `folder`, which is `old` for the moment
/// between the two names. At every moment one of the three is whole; [`put_back`] sees to the rest.
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

/// Gives `old` its name back, if [`replace`] was cut off between its two renames.
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

/// Removes a folder, if it is there, with all that is in it.
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

/// That no other program writes a folder, as long as this is held. The system lets go of it when the program ends,
/// however it ends.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Closed after the file's name is gone, and with it the lock.
    _file: File,
}

/// Locks `folder` for this program, by the file `path`, whose own folder is made if it is missing.
///
/// # Errors
/// [`Error::FolderInUse`] if another program holds it; [`Error::Output`] where it cannot be locked.
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
        // Its holder may just have removed it: then this is the lock of a file that nobody else will find.
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

/// Elsewhere nobody removes it.
#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that stays behind locks nobody out.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
