//! The source of a model's files: a folder natively, HTTP in the browser. One trait, so that the
//! code that uses it does not depend on which.

use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;

use crate::error::Result;

/// Named files that can be read in ranges.
#[allow(
    async_fn_in_trait,
    reason = "used by generic callers of this crate only; no Send bound is wanted on wasm"
)]
pub trait Source {
    /// The name of `file` in messages: its path or URL.
    fn describe(&self, file: &str) -> String;

    /// The error if the required `file` does not exist.
    fn missing(&self, file: &str) -> crate::Error {
        crate::Error::FileMissing {
            file: self.describe(file),
        }
    }

    /// Size of `file` in bytes, or `None` if it does not exist.
    ///
    /// # Errors
    /// [`crate::Error::FileAccess`] or [`crate::Error::Network`].
    async fn size(&self, file: &str) -> Result<Option<u64>>;

    /// Reads exactly the bytes `range` of `file`.
    ///
    /// # Errors
    /// [`crate::Error::FileMissing`], [`crate::Error::FileAccess`], [`crate::Error::Network`].
    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>>;

    /// Like [`Source::read`], for bytes that are kept for long: a memory map of the file if
    /// possible.
    ///
    /// # Errors
    /// The errors of [`Source::read`].
    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        self.read(file, range).await.map(Bytes::from)
    }

    /// Tells that `range` of `file` will be read next, from its beginning to its end in several reads: a server can then
    /// be asked once for all of them. Reads of other bytes remain possible.
    fn expect(&self, _file: &str, _range: Range<u64>) {}

    /// Size of `file` in bytes if it is known without a request.
    ///
    /// # Errors
    /// The errors of [`Source::size`].
    fn size_at_hand(&self, _file: &str) -> Result<Option<u64>> {
        Ok(None)
    }

    /// Checks that the files read so far are unchanged, if others can modify them.
    ///
    /// # Errors
    /// [`crate::Error::ModelChanged`], which names the file; [`crate::Error::FileAccess`].
    fn unchanged(&self) -> Result<()> {
        Ok(())
    }
}

impl<S: Source> Source for Rc<S> {
    fn describe(&self, file: &str) -> String {
        S::describe(self, file)
    }

    fn missing(&self, file: &str) -> crate::Error {
        S::missing(self, file)
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

    fn expect(&self, file: &str, range: Range<u64>) {
        S::expect(self, file, range);
    }

    fn size_at_hand(&self, file: &str) -> Result<Option<u64>> {
        S::size_at_hand(self, file)
    }

    fn unchanged(&self) -> Result<()> {
        S::unchanged(self)
    }
}

/// A source of any kind, as a trait object.
pub trait AnySource {
    /// Like [`Source::read`].
    fn read_any<'a>(&'a self, file: &'a str, range: Range<u64>) -> Reading<'a>;

    /// Like [`Source::unchanged`].
    ///
    /// # Errors
    /// The errors of [`Source::unchanged`].
    fn is_unchanged(&self) -> Result<()>;
}

/// A pending read.
pub type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>>> + 'a>>;

impl<S: Source> AnySource for S {
    fn read_any<'a>(&'a self, file: &'a str, range: Range<u64>) -> Reading<'a> {
        Box::pin(self.read(file, range))
    }

    fn is_unchanged(&self) -> Result<()> {
        self.unchanged()
    }
}

/// The contents of `file`, or `None` if it does not exist.
///
/// # Errors
/// The errors of [`Source::read`]; [`crate::Error::FileAccess`] if it is larger than `cap` bytes.
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

/// Like [`read_file`], for a required file.
///
/// # Errors
/// The errors of [`read_file`], and [`crate::Error::FileMissing`].
pub async fn require_file(source: &impl Source, file: &str, cap: u64) -> Result<Vec<u8>> {
    let found = read_file(source, file, cap).await?;
    found.ok_or_else(|| source.missing(file))
}

/// Files in memory, by name.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub std::collections::BTreeMap<String, Vec<u8>>);

impl Source for Memory {
    fn describe(&self, file: &str) -> String {
        format!("{file} (in memory)")
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        Ok(self.0.get(file).map(|bytes| bytes.len() as u64))
    }

    fn size_at_hand(&self, file: &str) -> Result<Option<u64>> {
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
