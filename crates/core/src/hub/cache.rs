//! The cache of downloaded files, in the layout that Python's huggingface_hub shares:
//!
//! ```text
//! models--OWNER--NAME/blobs/ETAG                 a file's content
//! models--OWNER--NAME/blobs/ETAG.incomplete      an unfinished download
//! models--OWNER--NAME/snapshots/COMMIT/FILE      a relative link to its blob
//! models--OWNER--NAME/refs/REVISION              the commit of a branch or tag at the last download
//! .locks/models--OWNER--NAME/ETAG.lock           locked during its download
//! ```
//!
//! Only validated names are passed to it, never names as a server sent them. If the cache is
//! shared, others may write to it: only regular files inside the cache are written, links in their
//! place are not followed, and pipes never block. The repository's folder and `blobs` may be links,
//! for use of another disk.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::plain;
use super::repository::Repository;
use crate::error::{Error, Result};
use crate::files;
use crate::progress::StopFlag;

/// Interval between attempts to get a lock that another process holds.
const GLANCE: Duration = Duration::from_millis(100);
/// Size limit in bytes; a ref contains a commit hash.
const REF_CAP: u64 = 1 << 10;

/// A repository's part of the cache.
pub(super) struct Cache {
    folder: PathBuf,
    locks: PathBuf,
    repository: Repository,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    |error| Error::FileAccess {
        file: path.display().to_string(),
        reason: error.to_string(),
    }
}

/// Opens an existing or new regular file of the cache.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(there) => files::refuse_unless_plain(&there)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // It may be replaced by a link or a pipe between the check and the opening.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path)?;
    files::refuse_unless_plain(&file.metadata()?)?;
    Ok(file)
}

impl Cache {
    /// The cache of `repository` in the folder `root`.
    pub fn new(root: &Path, repository: &Repository) -> Self {
        let folder = format!("models--{}", repository.name.replace('/', "--"));
        Cache {
            locks: root.join(".locks").join(&folder),
            folder: root.join(folder),
            repository: repository.clone(),
        }
    }

    /// The folder of the files of `commit`.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Whether `file` of `commit` is in the cache.
    pub fn holds(&self, commit: &str, file: &str) -> bool {
        self.snapshot(commit).join(file).is_file()
    }

    /// Creates the folder at `below`, no part of which may be a link, so that nothing is written
    /// outside the cache.
    fn make(&self, below: &[&str]) -> Result<PathBuf> {
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let mut path = self.folder.clone();
        for part in below {
            path.push(part);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(&path)(error));
                }
                _ => {}
            }
            let there = fs::symlink_metadata(&path).map_err(failed(&path))?;
            if !there.is_dir() {
                return Err(Error::FileAccess {
                    file: path.display().to_string(),
                    reason: "it must be a folder of the hub's cache, and no link; remove it".into(),
                });
            }
        }
        Ok(path)
    }

    /// The revision's commit at the last download.
    ///
    /// # Errors
    /// [`Error::FileAccess`]; [`Error::Hub`] if the file contains anything else.
    pub fn commit(&self) -> Result<Option<String>> {
        use io::Read;
        let revision = &self.repository.revision;
        if self.repository.is_commit() {
            let is_there = self.snapshot(revision).is_dir();
            return Ok(is_there.then(|| revision.clone()));
        }
        let path = self.folder.join("refs").join(revision);
        let file = match open(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut text = Vec::new();
        file.take(REF_CAP)
            .read_to_end(&mut text)
            .map_err(failed(&path))?;
        let text = String::from_utf8_lossy(&text);
        plain::commit(&path.display().to_string(), "commit", text.trim()).map(Some)
    }

    /// Records `commit` as the revision's commit, unless the revision is one itself.
    pub fn set_commit(&self, commit: &str) -> Result<()> {
        if self.repository.is_commit() {
            return Ok(());
        }
        let mut parts: Vec<&str> = self.repository.revision.split('/').collect();
        let branch = parts.pop().unwrap_or_default();
        parts.insert(0, "refs");
        let folder = self.make(&parts)?;
        let (path, beside) = (
            folder.join(branch),
            folder.join(format!(".{branch}.{}", std::process::id())),
        );
        // Left over from a run that was killed.
        let _ = fs::remove_file(&beside);
        let mut file = File::create_new(&beside).map_err(failed(&beside))?;
        file.write_all(commit.as_bytes()).map_err(failed(&beside))?;
        file.sync_all().map_err(failed(&beside))?;
        fs::rename(&beside, &path).map_err(failed(&path))?;
        sync(&folder)
    }

    /// The names of the downloaded files of `commit`.
    pub fn files(&self, commit: &str) -> Vec<String> {
        let entries = fs::read_dir(self.snapshot(commit))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// The path of the content with this `etag`.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Whether the content with this `etag` exists, with `bytes` bytes if the size is known.
    pub fn holds_blob(&self, etag: &str, bytes: Option<u64>) -> bool {
        let there = fs::metadata(self.blob(etag));
        there.is_ok_and(|there| there.is_file() && bytes.is_none_or(|bytes| bytes == there.len()))
    }

    /// Waits until no other process downloads `etag`, and excludes others until the lock is
    /// dropped.
    pub fn lock(&self, etag: &str, stop: &StopFlag) -> Result<File> {
        fs::create_dir_all(&self.locks).map_err(failed(&self.locks))?;
        let path = self.locks.join(format!("{etag}.lock"));
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let file = open(&path, &mut options).map_err(failed(&path))?;
        loop {
            stop.check()?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(GLANCE),
                Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
            }
        }
    }

    /// The partial download of `etag`, to be resumed; the lock must be held.
    pub fn begun(&self, etag: &str) -> Result<(File, PathBuf)> {
        let folder = self.folder.join("blobs");
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let path = folder.join(format!("{etag}.incomplete"));
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let file = open(&path, &mut options).map_err(failed(&path))?;
        Ok((file, path))
    }

    /// Removes the partial download of `etag` if it is empty.
    pub fn forget_empty(&self, etag: &str) {
        let path = self.folder.join("blobs").join(format!("{etag}.incomplete"));
        if fs::metadata(&path).is_ok_and(|there| there.len() == 0) {
            // An empty file that remains is harmless.
            let _ = fs::remove_file(path);
        }
    }

    /// Renames the completed download `begun` to the content with this `etag`.
    pub fn finish(&self, file: &File, begun: &Path, etag: &str) -> Result<()> {
        let blob = self.blob(etag);
        file.sync_all().map_err(failed(begun))?;
        fs::rename(begun, &blob).map_err(failed(&blob))?;
        sync(&self.folder.join("blobs"))
    }

    /// Makes `file` of `commit` a link to the content with this `etag`.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let folder = self.make(&["snapshots", commit])?;
        let (path, beside) = (
            folder.join(file),
            folder.join(format!(".{file}.{}", std::process::id())),
        );
        // Left over from a run that was killed.
        let _ = fs::remove_file(&beside);
        link(
            &self.blob(etag),
            &Path::new("../../blobs").join(etag),
            &beside,
        )
        .map_err(failed(&beside))?;
        fs::rename(&beside, &path).map_err(failed(&path))?;
        sync(&folder)
    }
}

#[cfg(unix)]
fn link(_blob: &Path, relative: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, path)
}

/// Links need a right that most users of Windows do not have; Python's library copies there too.
#[cfg(not(unix))]
fn link(blob: &Path, _relative: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(drop))
}

/// Syncs the entries of `folder`, so that they survive a power failure; only Unix can open folders
/// for that.
fn sync(folder: &Path) -> Result<()> {
    match cfg!(unix) {
        true => File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed(folder)),
        false => Ok(()),
    }
}
