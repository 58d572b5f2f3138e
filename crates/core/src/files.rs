//! Untrusted files: opened only if they are regular files, and checked later by their identity.
//!
//! Reading a pipe could block forever, a device can return anything, and a file that was replaced
//! is a different file under the same name.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The identity of a file: distinguishes it from a replacement, and from itself after a
/// modification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileState {
    /// Its length in bytes.
    pub bytes: u64,
    /// Time of the last modification, if the system has it.
    pub modified: Option<SystemTime>,
    /// Device number and inode, on systems that have them.
    place: Option<(u64, u64)>,
}

impl FileState {
    /// The identity from a file's `metadata`.
    pub fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let place = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let place = None;
        FileState {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            place,
        }
    }

    /// The identity of the file at `path`; `None` if there is none.
    ///
    /// # Errors
    /// The system's error, except that the file does not exist.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(FileState::of(&metadata))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes)?;
        let since = self.modified.map(|time| time.duration_since(UNIX_EPOCH));
        if let Some(Ok(since)) = since {
            let (seconds, rest) = (since.as_secs(), since.subsec_nanos());
            write!(f, " written at {seconds}.{rest:09}")?;
        }
        match self.place {
            Some((device, number)) => write!(f, " as file {device}:{number}"),
            None => Ok(()),
        }
    }
}

/// Whether an error means that the file does not exist.
pub fn is_missing(error: &io::Error) -> bool {
    // The second kind: a parent in the path is a file instead of a folder.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Opens a regular file for reading. Anything else (a folder, a pipe, a device, a socket) is
/// refused before it is opened, since opening alone may block or have an effect.
///
/// # Errors
/// The system's error; [`io::ErrorKind::InvalidInput`] for anything but a regular file.
pub fn open(path: &Path) -> io::Result<(File, FileState)> {
    refuse_unless_plain(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // It may have been replaced by a pipe since the check; this avoids waiting for a writer.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    refuse_unless_plain(&metadata)?;
    Ok((file, FileState::of(&metadata)))
}

/// The contents of a regular file of at most `cap` bytes; never reads more than that.
///
/// # Errors
/// The errors of [`open`]; [`io::ErrorKind::InvalidData`] for a larger file.
pub fn read(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let (file, state) = open(path)?;
    let mut bytes = Vec::new();
    // A sparse file can have any length, so the allocation may fail; that must be an error, not an
    // abort.
    bytes.try_reserve_exact(state.bytes.min(cap) as usize)?;
    file.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > cap {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it has more than the {cap} bytes that are expected of such a file"),
        )),
        false => Ok(bytes),
    }
}

/// # Errors
/// [`io::ErrorKind::InvalidInput`], which says what it is, if the metadata is not that of a regular
/// file.
pub(crate) fn refuse_unless_plain(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = kind(metadata);
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}, not a plain file"),
    ))
}

fn kind(metadata: &Metadata) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_char_device() || kind.is_block_device() {
            return "a device";
        }
    }
    match metadata {
        _ if metadata.is_dir() => "a folder",
        _ if metadata.is_symlink() => "a link",
        _ => "something else",
    }
}

/// Whether `path`, after resolving all links, is in `folder`, or in the blobs of the Hugging Face
/// hub's cache if `folder` is a snapshot there (`models--OWNER--NAME/snapshots/COMMIT`, whose files
/// are links to `blobs/`). Files that are published from a folder must not be targets of other
/// links in it.
///
/// The cache's own folders may be links to another disk. Files there are accepted only if they are
/// named by a hash, as blobs are: a link to a private folder would otherwise look the same.
///
/// # Errors
/// The system's error if a path does not exist.
pub fn belongs(folder: &Path, path: &Path) -> io::Result<bool> {
    let (real, path) = (fs::canonicalize(folder)?, fs::canonicalize(path)?);
    if path.starts_with(&real) {
        return Ok(true);
    }
    if blobs(&real).is_some_and(|blobs| path.starts_with(blobs)) {
        return Ok(true);
    }
    // Computed from the cache's path as given, and from its resolved path.
    let elsewhere = [blobs(folder), blobs(&real)];
    let mut elsewhere = elsewhere
        .iter()
        .flatten()
        .filter_map(|blobs| fs::canonicalize(blobs).ok());
    Ok(is_named_by_hash(&path) && elsewhere.any(|blobs| path.parent() == Some(&blobs)))
}

/// The blobs of `snapshot`, if its path has the form of the hub's cache.
fn blobs(snapshot: &Path) -> Option<PathBuf> {
    let snapshots = snapshot
        .parent()
        .filter(|parent| parent.ends_with("snapshots"))?;
    let repository = snapshots.parent()?;
    let name = repository.file_name()?.to_string_lossy();
    name.starts_with("models--")
        .then(|| repository.join("blobs"))
}

/// Whether the name is a SHA-256, or git's SHA-1.
fn is_named_by_hash(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    matches!(name.len(), 40 | 64) && name.iter().all(u8::is_ascii_hexdigit)
}
