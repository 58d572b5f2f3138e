//! A model folder on disk, as it was when its files were opened: one model, whole, whatever becomes of their names
//! meanwhile. Natively only.
//!
//! A file is opened once and known by its length, time and number from then on; so is one that was not there. Its
//! handle is kept: who reads on after the folder was exchanged reads the same file. What was written to in its place
//! is refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "model")]
use bytes::Bytes;

use super::missing;
use super::source::Source;
use crate::error::{Error, Result};
use crate::files::{self, FileState, is_missing};

/// Handles that are kept: large models have hundreds of shards, some systems allow a program 256 files. The files
/// used last stay open; another one is opened again, and must be the same.
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
    /// Uses of any file so far.
    uses: u64,
}

/// What is known of a file.
#[derive(Debug)]
struct Known {
    /// None if it was not there.
    state: Option<FileState>,
    handle: Option<Arc<File>>,
    /// The number of its last use.
    used: u64,
}

impl Folder {
    /// Opens nothing yet.
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

    /// What `file` was when it was opened, which it is now if it was not yet; none if it is not there.
    ///
    /// # Errors
    /// [`Error::FileAccess`], also for what is no plain file; [`Error::ModelChanged`].
    pub fn state(&self, file: &str) -> Result<Option<FileState>> {
        Ok(self.open(file)?.map(|(_, state)| state))
    }

    /// A handle of its own for `file`, to read it from its beginning.
    ///
    /// # Errors
    /// As [`Folder::state`]; [`Error::FileMissing`].
    pub fn handle(&self, file: &str) -> Result<File> {
        let (kept, _) = self.require(file)?;
        let failed = |e| self.failed(file, e);
        let mut handle = kept.try_clone().map_err(failed)?;
        // The place in the file belongs to both; everybody else here reads by place.
        std::io::Seek::rewind(&mut handle).map_err(failed)?;
        Ok(handle)
    }

    /// The files that were opened or looked for, and what they were then.
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

    /// The handle of `file`, which was not written to since it was opened.
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
    /// Closes the files that were not used for longest, until `most` are open.
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

    /// With what the folder shows that it is instead.
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
        // A length is quickly claimed (a file may be all holes): where there is no room, that is an error and no more.
        let room = bytes.try_reserve_exact(length).map_err(Into::into);
        let read = room.and_then(|()| {
            bytes.resize(length, 0);
            read_exact_at(&handle, &mut bytes, range.start)
        });
        read.map_err(|e| self.failed(file, e))?;
        Ok(bytes)
    }

    /// Natively by memory map: weights on the CPU are the file's own pages. A map keeps its file as a handle does.
    #[cfg(feature = "model")]
    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        let (handle, state) = self.unwritten(file)?;
        check_range(self, file, &range, state.bytes)?;
        let map = super::maps::map(&handle, range, &self.path(file));
        map.map_err(|e| self.failed(file, e))
    }

    /// Looks at the names and at the files that are open.
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
