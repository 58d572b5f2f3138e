//! Which model a folder holds: what is kept or remembered of a model goes by this, so that a renewed one is another one
//! under the same name. Natively only.

use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::converted::find_manifest;
use super::pytorch;
use super::verify::hex;
use crate::config::TOKENIZER_FILE;
use crate::config::{CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE};
use crate::error::Result;
use crate::weights::folder::Folder;

/// 64 hexadecimal digits. A converted model's are the SHA-256 of its manifest, which holds the hashes of all the rest:
/// equal models are equal wherever they lie. A checkpoint has no hashes, and reading all of it would take as long as
/// loading it: here they are of the names, lengths and times of its files.
///
/// # Errors
/// What reading the manifest, or the checkpoint's headers, fails with.
pub async fn identity(folder: &Folder) -> Result<String> {
    // A folder with both is a converted model, as when it is loaded.
    if let Some(manifest) = find_manifest(folder).await? {
        return Ok(hex(&Sha256::digest(&manifest)));
    }
    let checkpoint = pytorch::open(folder.clone()).await?;
    let beside = [
        CONFIG_FILE,
        GENERATION_FILE,
        PREPROCESSOR_FILE,
        TOKENIZER_FILE,
    ];
    let weights = checkpoint.files().map(|(_, file)| file);
    let mut hash = Sha256::new();
    for file in beside.into_iter().chain(weights) {
        if let Some(state) = folder.state(file)? {
            let since = state.modified.map(|time| time.duration_since(UNIX_EPOCH));
            hash.update(format!("{file:?} {} {since:?}\n", state.bytes));
        }
    }
    Ok(hex(&hash.finalize()))
}
