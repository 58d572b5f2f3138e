//! What was measured of adapters, kept for the next start: natively in the user's cache folder, in the browser in the
//! page's caches. Where it cannot be kept, or is not what this version writes, it is measured again.

use super::tuning::Measured;

/// What was measured of `adapter`: its name and all that the measurements depend on.
pub async fn recall(adapter: &str) -> Option<Measured> {
    let text = place::read(adapter).await?;
    serde_json::from_str(&text).ok()
}

/// Keeps what was measured of `adapter`.
pub async fn remember(adapter: &str, measured: &Measured) {
    if let Ok(text) = serde_json::to_string(measured) {
        place::write(adapter, text).await;
    }
}

#[cfg(target_arch = "wasm32")]
mod place {
    pub(super) use crate::web::{recall as read, remember as write};
}

#[cfg(not(target_arch = "wasm32"))]
mod place {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use crate::{durable, files};

    /// A few adapters take less than a kB.
    const MAX_BYTES: u64 = 1 << 20;

    fn file() -> Option<PathBuf> {
        Some(dirs::cache_dir()?.join("inf-llava/adapters.json"))
    }

    fn all() -> BTreeMap<String, String> {
        let read = || {
            let json = files::read(&file()?, MAX_BYTES).ok()?;
            serde_json::from_slice(&json).ok()
        };
        read().unwrap_or_default()
    }

    pub(super) async fn read(key: &str) -> Option<String> {
        all().remove(key)
    }

    /// Whole, so that another program never reads half of it.
    pub(super) async fn write(key: &str, text: String) {
        let write = || {
            let file = file()?;
            let mut all = all();
            all.insert(key.to_string(), text);
            durable::create_folder(file.parent()?).ok()?;
            let json = serde_json::to_vec_pretty(&all).ok()?;
            durable::write_file(&file, &json).ok()
        };
        // It is only quicker with it.
        let _ = write();
    }
}
