//! Where a model's files come from: a folder natively, HTTP in the browser. One interface, so that
//! nothing behind it knows which.

use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;

use crate::error::Result;

/// Named files that can be read in parts.
#[allow(
    async_fn_in_trait,
    reason = "used by generic callers of this crate only; no Send bound is wanted on wasm"
)]
pub trait Source {
    /// What to call `file` in a message: its path or URL.
    fn describe(&self, file: &str) -> String;

    /// Size of `file` in bytes, or none if there is no such file.
    ///
    /// # Errors
    /// [`crate::Error::FileAccess`] or [`crate::Error::Network`].
    async fn size(&self, file: &str) -> Result<Option<u64>>;

    /// The bytes `range` of `file`, exactly that many.
    ///
    /// # Errors
    /// [`crate::Error::FileMissing`], [`crate::Error::FileAccess`], [`crate::Error::Network`].
    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>>;

    /// The same bytes for a long time: a part of the file itself where that can be had.
    ///
    /// # Errors
    /// As [`Source::read`].
    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        self.read(file, range).await.map(Bytes::from)
    }
}

impl<S: Source> Source for Rc<S> {
    fn describe(&self, file: &str) -> String {
        S::describe(self, file)
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        S::size(self, file).await
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        S::read(self, file, range).await
    }

    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        S::view(self, file, range).await
    }
}

/// A source of whatever kind, for those who keep one.
pub trait AnySource {
    /// As [`Source::read`].
    fn read_any<'a>(&'a self, file: &'a str, range: Range<u64>) -> Reading<'a>;
}

/// Bytes to come.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + 'a>>;

impl<S: Source> AnySource for S {
    fn read_any<'a>(&'a self, file: &'a str, range: Range<u64>) -> Reading<'a> {
        Box::pin(self.read(file, range))
    }
}

/// The whole of `file`, or none if there is no such file.
///
/// # Errors
/// As [`Source::read`]; [`crate::Error::FileAccess`] if it is larger than `cap` bytes.
pub async fn read_file(source: &impl Source, file: &str, cap: u64) -> Result<Option<Vec<u8>>> {
    let Some(size) = source.size(file).await? else {
        return Ok(None);
    };
    if size > cap {
        return Err(crate::Error::FileAccess {
            file: source.describe(file),
            reason: format!("{size} bytes; at most {cap} are expected of such a file"),
        });
    }
    source.read(file, 0..size).await.map(Some)
}

/// As [`read_file`], for a file that must be there.
///
/// # Errors
/// As [`read_file`], and [`crate::Error::FileMissing`].
pub async fn require_file(source: &impl Source, file: &str, cap: u64) -> Result<Vec<u8>> {
    let missing = || crate::Error::FileMissing {
        file: source.describe(file),
    };
    read_file(source, file, cap).await?.ok_or_else(missing)
}

/// Files that are in memory already, by name.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub std::collections::BTreeMap<String, Vec<u8>>);

impl Source for Memory {
    fn describe(&self, file: &str) -> String {
        format!("{file} (in memory)")
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        Ok(self.0.get(file).map(|bytes| bytes.len() as u64))
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let bytes = self.0.get(file).ok_or_else(|| crate::Error::FileMissing {
            file: self.describe(file),
        })?;
        let part = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .and_then(|(start, end)| bytes.get(start..end));
        part.map(<[u8]>::to_vec)
            .ok_or_else(|| crate::Error::FileAccess {
                file: self.describe(file),
                reason: format!("{} bytes are there, not {range:?}", bytes.len()),
            })
    }
}

#[cfg(not(target_arch = "wasm32"))]
pub use folder::Folder;

#[cfg(not(target_arch = "wasm32"))]
mod folder {
    use std::fs::File;
    use std::io::{ErrorKind, Read, Seek, SeekFrom};
    use std::ops::Range;
    use std::path::{Path, PathBuf};

    #[cfg(feature = "model")]
    use bytes::Bytes;
    #[cfg(feature = "model")]
    use memmap2::MmapOptions;

    use super::Source;
    use crate::error::{Error, Result};

    /// A model folder on disk.
    #[derive(Debug, Clone)]
    pub struct Folder(PathBuf);

    impl Folder {
        /// Opens nothing yet.
        pub fn new(path: impl AsRef<Path>) -> Self {
            Folder(path.as_ref().to_path_buf())
        }

        /// Where `file` is, or would be.
        pub fn path(&self, file: &str) -> PathBuf {
            self.0.join(file)
        }

        fn open(&self, file: &str) -> Result<File> {
            File::open(self.path(file)).map_err(|e| match e.kind() {
                ErrorKind::NotFound => Error::FileMissing {
                    file: self.describe(file),
                },
                _ => self.failed(file, e),
            })
        }

        fn failed(&self, file: &str, error: std::io::Error) -> Error {
            Error::FileAccess {
                file: self.describe(file),
                reason: error.to_string(),
            }
        }
    }

    impl Source for Folder {
        fn describe(&self, file: &str) -> String {
            self.path(file).display().to_string()
        }

        async fn size(&self, file: &str) -> Result<Option<u64>> {
            match self.open(file) {
                Ok(open) => Ok(Some(
                    open.metadata().map_err(|e| self.failed(file, e))?.len(),
                )),
                Err(Error::FileMissing { .. }) => Ok(None),
                Err(other) => Err(other),
            }
        }

        async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
            let mut open = self.open(file)?;
            open.seek(SeekFrom::Start(range.start))
                .map_err(|e| self.failed(file, e))?;
            let wanted = range.end.saturating_sub(range.start);
            let mut bytes = Vec::new();
            open.take(wanted)
                .read_to_end(&mut bytes)
                .map_err(|e| self.failed(file, e))?;
            if bytes.len() as u64 != wanted {
                return Err(Error::FileAccess {
                    file: self.describe(file),
                    reason: format!(
                        "ends {} bytes early: {} of bytes {}..{} are there; copy or download it again",
                        wanted - bytes.len() as u64,
                        bytes.len(),
                        range.start,
                        range.end
                    ),
                });
            }
            Ok(bytes)
        }

        /// Natively by memory map: weights on the CPU are the file's own pages.
        #[cfg(feature = "model")]
        async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
            let open = self.open(file)?;
            let failed = |e| self.failed(file, e);
            let size = open.metadata().map_err(failed)?.len();
            let length = range.end.saturating_sub(range.start);
            if range.end > size {
                return Err(Error::FileAccess {
                    file: self.describe(file),
                    reason: format!(
                        "has {size} bytes, {range:?} are wanted; copy or download it again"
                    ),
                });
            }
            // SAFETY: the bytes are read as numbers of any value. Whoever cuts the file off meanwhile
            // ends the program, as with every map; nothing of this program does.
            let map = unsafe {
                MmapOptions::new()
                    .offset(range.start)
                    .len(length as usize)
                    .map(&open)
            };
            Ok(Bytes::from_owner(map.map_err(failed)?))
        }
    }
}
