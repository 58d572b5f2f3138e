//! Files that come from others: opened only if they are plain files, and known again by their identity.
//!
//! A pipe would be waited for without end, a device may answer anything, and a file that was replaced is another
//! file under the old name.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What tells a file from its replacement, and from itself after it was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileState {
    /// Its length.
    pub bytes: u64,
    /// When it was written last, if the system says so.
    pub modified: Option<SystemTime>,
    /// Device and number on it, where files have numbers.
    place: Option<(u64, u64)>,
}

impl FileState {
    /// Of the file that `metadata` is about.
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

    /// Of whatever is at `path` now; none if nothing is.
    ///
    /// # Errors
    /// What the system says, except that nothing is there.
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

/// Whether a failure means that there is no such file.
pub fn is_missing(error: &io::Error) -> bool {
    // The second one: what should be a folder on the way there is a file.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Opens a plain file to read it. What is none (a folder, a pipe, a device, a socket) is refused before it is
/// opened, since opening alone may wait for a writer, or do something.
///
/// # Errors
/// What the system says; [`io::ErrorKind::InvalidInput`] for what is no plain file.
pub fn open(path: &Path) -> io::Result<(File, FileState)> {
    refuse_unless_plain(&fs::metadata(path)?)?;
    let mut options = OpenOptions::new();
    options.read(true);
    // It may have become a pipe between the two looks: its end is not waited for.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    refuse_unless_plain(&metadata)?;
    Ok((file, FileState::of(&metadata)))
}

/// The whole of a plain file, of at most `cap` bytes; no more than that is ever held.
///
/// # Errors
/// As [`open`]; [`io::ErrorKind::InvalidData`] for a larger one.
pub fn read(path: &Path, cap: u64) -> io::Result<Vec<u8>> {
    let (file, state) = open(path)?;
    let mut bytes = Vec::new();
    // A length is quickly claimed (a file may be all holes): where there is no room, that is an error and no more.
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
/// [`io::ErrorKind::InvalidInput`], which tells what it is, for the metadata of what is no plain file.
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

/// Whether `path`, with all links followed, lies in `folder`, or in the blobs of the Hugging Face hub's cache if
/// `folder` is a snapshot there (`models--OWNER--NAME/snapshots/COMMIT`, whose files are links to `blobs/`). What is
/// published of a folder must not be what a link in it leads to.
///
/// The cache's own folders may be links to another disk. What lies there belongs only if it is called by a hash, as
/// blobs are: a link to somebody's folder of keys would look the same.
///
/// # Errors
/// What the system says where one of them is not there.
pub fn belongs(folder: &Path, path: &Path) -> io::Result<bool> {
    let (real, path) = (fs::canonicalize(folder)?, fs::canonicalize(path)?);
    if path.starts_with(&real) {
        return Ok(true);
    }
    if blobs(&real).is_some_and(|blobs| path.starts_with(blobs)) {
        return Ok(true);
    }
    // As the cache is called, not as it lies on the disk.
    let elsewhere = [blobs(folder), blobs(&real)];
    let mut elsewhere = elsewhere
        .iter()
        .flatten()
        .filter_map(|blobs| fs::canonicalize(blobs).ok());
    Ok(is_named_by_hash(&path) && elsewhere.any(|blobs| path.parent() == Some(&blobs)))
}

/// The blobs beside `snapshot`, if it is called as one of the hub's cache.
fn blobs(snapshot: &Path) -> Option<PathBuf> {
    let snapshots = snapshot
        .parent()
        .filter(|parent| parent.ends_with("snapshots"))?;
    let repository = snapshots.parent()?;
    let name = repository.file_name()?.to_string_lossy();
    name.starts_with("models--")
        .then(|| repository.join("blobs"))
}

/// SHA-256 or git's SHA-1.
fn is_named_by_hash(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    matches!(name.len(), 40 | 64) && name.iter().all(u8::is_ascii_hexdigit)
}
