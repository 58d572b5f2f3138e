//! A snapshot of a model folder on disk: reads always see the files as they were first opened, even
//! if they are renamed or replaced meanwhile. Native only.
//!
//! A file is opened once and identified by its length, time and number from then on; a file's
//! absence is remembered too. Handles are kept, so that reading continues from the same files after
//! the folder was replaced. A file that was modified in place is refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::missing;
use super::source::Source;
use crate::error::{Error, Result};
use crate::files::{self, FileState, is_missing};

/// Most open handles: large models have hundreds of shards, and some systems allow a process 256
/// open files. The most recently used files stay open; others are reopened on use, and must be
/// unchanged.
const MOST_OPEN: usize = 64;

/// A model folder. Clones share what they have opened.
#[derive(Debug, Clone)]
pub struct Folder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    files: BTreeMap<String, Known>,
    /// Number of uses of any file so far.
    uses: u64,
}

/// The state of a file.
#[derive(Debug)]
struct Known {
    /// `None` if it does not exist.
    state: Option<FileState>,
    handle: Option<Arc<File>>,
    /// Number of its last use.
    used: u64,
}

impl Folder {
    /// A folder; no file is opened yet.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Folder(Arc::new(Inner {
            path: path.as_ref().to_path_buf(),
            opened: Mutex::default(),
        }))
    }

    /// The folder's own path.
    pub fn root(&self) -> &Path {
        &self.0.path
    }

    /// Where `file` is, or would be.
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path.join(file)
    }

    /// The state of `file` when it was first opened; opens it if it was not. `None` if it does not
    /// exist.
    ///
    /// # Errors
    /// [`Error::FileAccess`], also if it is not a regular file; [`Error::ModelChanged`].
    pub fn state(&self, file: &str) -> Result<Option<FileState>> {
        Ok(self.open(file)?.map(|(_, state)| state))
    }

    /// A separate handle for reading `file` from its beginning.
    ///
    /// # Errors
    /// The errors of [`Folder::state`]; [`Error::FileMissing`].
    pub fn handle(&self, file: &str) -> Result<File> {
        let (kept, _) = self.require(file)?;
        let failed = |e| self.failed(file, e);
        let mut handle = kept.try_clone().map_err(failed)?;
        // The file position is shared with the kept handle, but all other readers pass explicit
        // offsets.
        std::io::Seek::rewind(&mut handle).map_err(failed)?;
        Ok(handle)
    }

    /// The files that were opened or searched for, with their state at that time.
    pub fn states(&self) -> Vec<(String, Option<FileState>)> {
        let opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let files = opened.files.iter();
        files
            .map(|(file, known)| (file.clone(), known.state))
            .collect()
    }

    fn open(&self, file: &str) -> Result<Option<(Arc<File>, FileState)>> {
        let mut opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.uses += 1;
        let used = opened.uses;
        let known = opened.files.get_mut(file);
        let expected = match known {
            Some(Known { state: None, .. }) => return Ok(None),
            Some(Known {
                state: Some(state),
                handle: Some(handle),
                used: last,
            }) => {
                *last = used;
                return Ok(Some((handle.clone(), *state)));
            }
            Some(Known { state, .. }) => *state,
            None => None,
        };
        let (handle, state) = match files::open(&self.path(file)) {
            Ok((handle, state)) => (Some(Arc::new(handle)), Some(state)),
            Err(error) if is_missing(&error) => (None, None),
            Err(error) => return Err(self.failed(file, error)),
        };
        if expected.is_some() && expected != state {
            return Err(self.changed(file, expected, state));
        }
        let known = Known {
            state,
            handle: handle.clone(),
            used,
        };
        opened.files.insert(file.to_string(), known);
        opened.close_beyond(MOST_OPEN);
        Ok(handle.zip(state))
    }

    fn require(&self, file: &str) -> Result<(Arc<File>, FileState)> {
        self.open(file)?.ok_or_else(|| self.missing(file))
    }

    /// The handle of `file`, after checking that it was not modified since it was opened.
    fn unwritten(&self, file: &str) -> Result<(Arc<File>, FileState)> {
        let (handle, state) = self.require(file)?;
        let metadata = handle.metadata().map_err(|e| self.failed(file, e))?;
        match FileState::of(&metadata) {
            now if now == state => Ok((handle, state)),
            now => Err(self.changed(file, Some(state), Some(now))),
        }
    }

    fn changed(&self, file: &str, was: Option<FileState>, is: Option<FileState>) -> Error {
        let say = |state: Option<FileState>| match state {
            Some(state) => state.to_string(),
            None => "not there".to_string(),
        };
        Error::ModelChanged {
            file: self.describe(file),
            was: say(was),
            is: say(is),
        }
    }

    fn failed(&self, file: &str, error: std::io::Error) -> Error {
        Error::FileAccess {
            file: self.describe(file),
            reason: error.to_string(),
        }
    }
}

impl Opened {
    /// Closes the least recently used files until `most` are open.
    fn close_beyond(&mut self, most: usize) {
        let mut open: Vec<&mut Known> = self
            .files
            .values_mut()
            .filter(|known| known.handle.is_some())
            .collect();
        let beyond = open.len().saturating_sub(most);
        open.sort_by_key(|known| known.used);
        for known in open.into_iter().take(beyond) {
            known.handle = None;
        }
    }
}

impl Source for Folder {
    fn describe(&self, file: &str) -> String {
        self.path(file).display().to_string()
    }

    /// Adds what the folder apparently contains instead.
    fn missing(&self, file: &str) -> Error {
        match missing::why(self.root(), file) {
            Some(reason) => Error::checkpoint(self.root().display(), reason),
            None => Error::FileMissing {
                file: self.describe(file),
            },
        }
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        Ok(self.state(file)?.map(|state| state.bytes))
    }

    fn size_at_hand(&self, file: &str) -> Result<Option<u64>> {
        Ok(self.state(file)?.map(|state| state.bytes))
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let (handle, state) = self.unwritten(file)?;
        check_range(self, file, &range, state.bytes)?;
        let length = (range.end - range.start) as usize;
        let mut bytes = Vec::new();
        // A sparse file can have any length, so the allocation may fail; that must be an error, not
        // an abort.
        let room = bytes.try_reserve_exact(length).map_err(Into::into);
        let read = room.and_then(|()| {
            bytes.resize(length, 0);
            read_exact_at(&handle, &mut bytes, range.start)
        });
        read.map_err(|e| self.failed(file, e))?;
        Ok(bytes)
    }

    /// A memory map, so that weights on the CPU use the file's own pages. A map keeps its file
    /// open, like a handle.
    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        let (handle, state) = self.unwritten(file)?;
        check_range(self, file, &range, state.bytes)?;
        let map = super::maps::map(&handle, range, &self.path(file));
        map.map_err(|e| self.failed(file, e))
    }

    /// Checks the files' names and the open handles.
    fn unchanged(&self) -> Result<()> {
        let opened = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for (file, known) in &opened.files {
            let failed = |e| self.failed(file, e);
            let now = FileState::at(&self.path(file)).map_err(failed)?;
            if now != known.state {
                return Err(self.changed(file, known.state, now));
            }
            if let Some(handle) = &known.handle {
                let now = Some(FileState::of(&handle.metadata().map_err(failed)?));
                if now != known.state {
                    return Err(self.changed(file, known.state, now));
                }
            }
        }
        Ok(())
    }
}

fn check_range(folder: &Folder, file: &str, range: &Range<u64>, size: u64) -> Result<()> {
    if range.start <= range.end && range.end <= size {
        return Ok(());
    }
    let there = size.saturating_sub(range.start);
    let short = range.end.saturating_sub(size);
    Err(Error::FileAccess {
        file: folder.describe(file),
        reason: format!(
            "ends {short} bytes early: {there} of bytes {}..{} are there; copy or download it again",
            range.start, range.end
        ),
    })
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}
