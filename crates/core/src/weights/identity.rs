//! The identity of the model in a folder, used as the key for everything that is stored about a
//! model, so that a changed model under the same name counts as another one. Native only.

use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

use super::converted::find_manifest;
use super::pytorch;
use super::verify::hex;
use crate::config::MODEL_FILES;
use crate::error::Result;
use crate::weights::folder::Folder;

/// 64 hexadecimal digits. For a converted model the SHA-256 of its manifest, which contains the
/// hashes of all other files: equal models have equal identities wherever they are stored. A
/// checkpoint has no hashes, and reading all of it would take as long as loading it: its identity
/// is computed from the names, lengths and times of its files.
///
/// # Errors
/// Errors of reading the manifest, or the checkpoint's headers.
pub async fn identity(folder: &Folder) -> Result<String> {
    // A folder with both is treated as a converted model, as in loading.
    if let Some(manifest) = find_manifest(folder).await? {
        return Ok(hex(&Sha256::digest(&manifest)));
    }
    let checkpoint = pytorch::open(folder.clone()).await?;
    let weights = checkpoint.files().map(|(_, file)| file);
    let mut hash = Sha256::new();
    for file in MODEL_FILES.into_iter().chain(weights) {
        if let Some(state) = folder.state(file)? {
            let since = state.modified.map(|time| time.duration_since(UNIX_EPOCH));
            hash.update(format!("{file:?} {} {since:?}\n", state.bytes));
        }
    }
    Ok(hex(&hash.finalize()))
}
