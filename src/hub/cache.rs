//! The cache of downloaded files, in the layout that Python's huggingface_hub shares:
//!
//! ```text
//! models--OWNER--NAME/blobs/ETAG                 a file's content
//! models--OWNER--NAME/blobs/ETAG.incomplete      the beginning of one
//! models--OWNER--NAME/snapshots/COMMIT/FILE      a relative link to its blob
//! models--OWNER--NAME/refs/main                  the commit that `main` was
//! .locks/models--OWNER--NAME/ETAG.lock           held by whoever downloads it
//! ```
//!
//! It is handed names that were checked; no name comes here as a server wrote it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::names;
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// The branch that is downloaded.
pub(super) const BRANCH: &str = "main";
/// Between two looks at a lock that another process holds.
const GLANCE: Duration = Duration::from_millis(100);
/// A ref holds a commit.
const REF_CAP: u64 = 1 << 10;

/// A repository's part of the cache.
pub(super) struct Cache {
    folder: PathBuf,
    locks: PathBuf,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    |error| Error::FileAccess {
        file: path.display().to_string(),
        reason: error.to_string(),
    }
}

impl Cache {
    /// Of the repository `owner/name`, a plain one, in the cache at `root`.
    pub fn new(root: &Path, name: &str) -> Self {
        let folder = format!("models--{}", name.replace('/', "--"));
        Cache {
            locks: root.join(".locks").join(&folder),
            folder: root.join(folder),
        }
    }

    /// Where the files of `commit` are.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Whether `file` of `commit` was downloaded, by whomever.
    pub fn holds(&self, commit: &str, file: &str) -> bool {
        self.snapshot(commit).join(file).is_file()
    }

    /// The commit that the branch was when it was downloaded last.
    ///
    /// # Errors
    /// [`Error::FileAccess`]; [`Error::Hub`] if the file holds something else.
    pub fn commit(&self) -> Result<Option<String>> {
        use io::Read;
        let path = self.folder.join("refs").join(BRANCH);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut text = Vec::new();
        file.take(REF_CAP)
            .read_to_end(&mut text)
            .map_err(failed(&path))?;
        let text = String::from_utf8_lossy(&text);
        names::commit(&path.display().to_string(), "commit", text.trim()).map(Some)
    }

    /// Notes that the branch is `commit`.
    pub fn set_commit(&self, commit: &str) -> Result<()> {
        let folder = self.folder.join("refs");
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let (path, beside) = (
            folder.join(BRANCH),
            folder.join(format!(".{BRANCH}.{}", std::process::id())),
        );
        let mut file = File::create(&beside).map_err(failed(&beside))?;
        file.write_all(commit.as_bytes()).map_err(failed(&beside))?;
        file.sync_all().map_err(failed(&beside))?;
        fs::rename(&beside, &path).map_err(failed(&path))?;
        sync(&folder)
    }

    /// The names of the files that were downloaded of `commit`.
    pub fn files(&self, commit: &str) -> Vec<String> {
        let entries = fs::read_dir(self.snapshot(commit))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// Where the content called `etag` is, or will be.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Whether the content called `etag` is there, with `bytes` if its size is known.
    pub fn holds_blob(&self, etag: &str, bytes: Option<u64>) -> bool {
        let there = fs::metadata(self.blob(etag));
        there.is_ok_and(|there| there.is_file() && bytes.is_none_or(|bytes| bytes == there.len()))
    }

    /// Waits until no other process downloads `etag`, and keeps others from it until the lock is dropped.
    pub fn lock(&self, etag: &str, stop: &StopFlag) -> Result<File> {
        fs::create_dir_all(&self.locks).map_err(failed(&self.locks))?;
        let path = self.locks.join(format!("{etag}.lock"));
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = file.map_err(failed(&path))?;
        loop {
            stop.check()?;
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(GLANCE),
                Err(TryLockError::Error(error)) => return Err(failed(&path)(error)),
            }
        }
    }

    /// What of `etag` was downloaded before it broke off, to be gone on with; the lock must be held.
    pub fn begun(&self, etag: &str) -> Result<(File, PathBuf)> {
        let folder = self.folder.join("blobs");
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let path = folder.join(format!("{etag}.incomplete"));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        Ok((file.map_err(failed(&path))?, path))
    }

    /// Removes what was begun of `etag` if there is nothing in it.
    pub fn forget_empty(&self, etag: &str) {
        let path = self.folder.join("blobs").join(format!("{etag}.incomplete"));
        if fs::metadata(&path).is_ok_and(|there| there.len() == 0) {
            // An empty file that stays does no harm.
            let _ = fs::remove_file(path);
        }
    }

    /// Makes what was downloaded whole, and is at `begun`, the content called `etag`.
    pub fn finish(&self, file: &File, begun: &Path, etag: &str) -> Result<()> {
        let blob = self.blob(etag);
        file.sync_all().map_err(failed(begun))?;
        fs::rename(begun, &blob).map_err(failed(&blob))?;
        sync(&self.folder.join("blobs"))
    }

    /// Makes `file` of `commit` a link to the content called `etag`.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let folder = self.snapshot(commit);
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        let (path, beside) = (
            folder.join(file),
            folder.join(format!(".{file}.{}", std::process::id())),
        );
        // What a run that was killed has left.
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

/// Links need a right that most users of Windows lack; Python's library copies there too.
#[cfg(not(unix))]
fn link(blob: &Path, _relative: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(drop))
}

/// Names in `folder` outlive a power loss; only Unix opens folders for that.
fn sync(folder: &Path) -> Result<()> {
    match cfg!(unix) {
        true => File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed(folder)),
        false => Ok(()),
    }
}
