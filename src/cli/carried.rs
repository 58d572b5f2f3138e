//! The demo model that is embedded in the program, so that it works from any folder.
//!
//! In: names of its files. Out: their bytes, from the program itself. They are written to a folder
//! only where files are required: for serving.

use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::durable;
use crate::error::{Error, Result};
use crate::files;
use crate::weights::source::Source;

macro_rules! carried {
    ($($file:literal),* $(,)?) => {
        /// Its files, by file name.
        const FILES: &[(&str, &[u8])] = &[$((
            $file,
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo/", $file)),
        )),*];
    };
}
carried!(
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "samples.json",
    "samples/1.png",
    "samples/2.png",
    "samples/3.png",
    "samples/4.png",
    "tokenizer.json",
);
/// The name of its folder, which clients of a server see as the model's name.
const NAME: &str = "demo";

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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    #[test]
    fn the_program_carries_every_file_of_the_demo_model() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/demo");
        let mut found = Vec::new();
        for folder in [root.clone(), root.join("samples")] {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                if entry.path().is_file() {
                    let path = entry.path();
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        let mut carried: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        carried.sort_unstable();
        assert_eq!(carried, found, "the list in this file");
        for (name, bytes) in FILES {
            assert!(std::fs::read(root.join(name)).unwrap() == *bytes, "{name}");
        }
    }
}
