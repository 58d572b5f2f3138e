//! The demo model that is embedded in the program, so that it works from any folder.
//!
//! In: names of its files. Out: their bytes, from the program itself. They are written to a folder
//! only where files are required: for serving.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use inf_llava::demo::{FILES, NAME};
use inf_llava::durable;
use inf_llava::error::{Error, Result};
use inf_llava::files;
use inf_llava::weights::source::Source;

/// The embedded model, as a source of files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried;

impl Carried {
    /// 64 hexadecimal digits: the SHA-256 of its files and their names.
    pub(super) fn identity() -> String {
        let mut hash = Sha256::new();
        for (name, bytes) in FILES {
            hash.update(format!("{name:?} {}\n", bytes.len()));
            hash.update(bytes);
        }
        let digits = hash.finalize();
        digits.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A folder with its files in the user's cache folder; written on first use, and rewritten if a
    /// file differs.
    ///
    /// # Errors
    /// [`Error::Output`]; [`Error::Option`] if the user has no cache folder.
    pub(super) fn folder() -> Result<PathBuf> {
        let cache = dirs::cache_dir().ok_or_else(|| Error::Option {
            option: "--model".into(),
            reason: "there is no cache folder for the model that the program carries; name a model's folder".into(),
        })?;
        let whose = format!("inf-llava/{}", &Self::identity()[..16]);
        let folder = cache.join(whose).join(NAME);
        durable::create_folder(&folder.join("samples"))?;
        for (name, bytes) in FILES {
            let path = folder.join(name);
            let kept = files::read(&path, bytes.len() as u64);
            if !kept.is_ok_and(|kept| kept == *bytes) {
                durable::write_file(&path, bytes)?;
            }
        }
        Ok(folder)
    }

    fn part(self, file: &str, range: Range<u64>) -> Result<&'static [u8]> {
        let bytes = bytes_of(file).ok_or_else(|| Error::FileMissing {
            file: self.describe(file),
        })?;
        let part = usize::try_from(range.start)
            .ok()
            .zip(usize::try_from(range.end).ok())
            .and_then(|(start, end)| bytes.get(start..end));
        part.ok_or_else(|| Error::FileAccess {
            file: self.describe(file),
            reason: format!("{} bytes are there, not {range:?}", bytes.len()),
        })
    }
}

fn bytes_of(file: &str) -> Option<&'static [u8]> {
    let (_, bytes) = FILES
        .iter()
        .find(|(name, _)| Path::new(name) == Path::new(file))?;
    Some(bytes)
}

impl Source for Carried {
    fn describe(&self, file: &str) -> String {
        format!("{file} of the model in the program")
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        self.size_at_hand(file)
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.part(file, range).map(<[u8]>::to_vec)
    }

    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        self.part(file, range).map(Bytes::from_static)
    }

    fn size_at_hand(&self, file: &str) -> Result<Option<u64>> {
        Ok(bytes_of(file).map(|bytes| bytes.len() as u64))
    }
}
