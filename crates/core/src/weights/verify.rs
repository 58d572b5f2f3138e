//! Verifies a converted model: every file exists and has its size and hash. Native only.

use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::{HashedFile, MANIFEST_CAP, MANIFEST_FILE, Manifest};
use super::source::require_file;
use crate::config::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::files::{self, is_missing};
use crate::progress::{Phase, Watch};
use crate::weights::folder::Folder;

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// A file that does not match the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its name.
    pub file: String,
    /// What is wrong.
    pub reason: String,
}

/// Reads the manifest of `folder` and every file that it lists; returns the manifest and the
/// damaged files.
///
/// # Errors
/// [`Error::FileMissing`] and [`Error::Manifest`] for the manifest itself, [`Error::Checkpoint`]
/// for a model that is not converted, [`Error::FileAccess`], [`Error::Stopped`].
pub async fn verify(folder: &Path, watch: &mut Watch<'_>) -> Result<(Manifest, Vec<Damage>)> {
    let path = folder.join(MANIFEST_FILE);
    if !path.exists() && folder.join(CONFIG_FILE).is_file() {
        return Err(Error::checkpoint(
            folder.display(),
            format!(
                "it is a checkpoint, without {MANIFEST_FILE}, which has the hashes; verify checks what inf-llava convert made"
            ),
        ));
    }
    let json = require_file(&Folder::new(folder), MANIFEST_FILE, MANIFEST_CAP).await?;
    let manifest = Manifest::from_json(&path.display().to_string(), &json)?;
    let files = || manifest.files.iter().chain(&manifest.shards);
    let total = files().map(|file| file.bytes).sum();
    let (mut done, mut damaged) = (0, Vec::new());
    for file in files() {
        watch.progress(Phase::Verification, done, total);
        watch.stop.check()?;
        if let Some(reason) = damage(folder, file)? {
            let file = file.file.clone();
            damaged.push(Damage { file, reason });
        }
        done += file.bytes;
    }
    watch.progress(Phase::Verification, total, total);
    Ok((manifest, damaged))
}

/// What is wrong with a file of a converted model, or `None`.
pub(super) fn damage(folder: &Path, expected: &HashedFile) -> Result<Option<String>> {
    let path = folder.join(&expected.file);
    let failed = |e: std::io::Error| Error::FileAccess {
        file: path.display().to_string(),
        reason: e.to_string(),
    };
    let (mut file, state) = match files::open(&path) {
        Ok(opened) => opened,
        Err(e) if is_missing(&e) => return Ok(Some("it is missing".into())),
        Err(e) if e.kind() == ErrorKind::InvalidInput => return Ok(Some(e.to_string())),
        Err(e) => return Err(failed(e)),
    };
    let bytes = state.bytes;
    if bytes != expected.bytes {
        let wanted = expected.bytes;
        return Ok(Some(format!(
            "it has {bytes} bytes, the manifest says {wanted}"
        )));
    }
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk).map_err(failed)? {
            0 => break,
            count => hash.update(&chunk[..count]),
        }
    }
    let found = hex(&hash.finalize());
    Ok((found != expected.sha256)
        .then(|| "its bytes are not those of the manifest's sha256".into()))
}

/// Hexadecimal digits as in a manifest.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
