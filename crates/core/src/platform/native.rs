//! Data that is stored between runs, in the user's cache folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{durable, files};

/// Size limit in bytes; the data of a few adapters takes less than a kB.
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

/// The text stored under `key`, if it can be read.
pub async fn recall(key: &str) -> Option<String> {
    all().remove(key)
}

/// Stores `text` under `key` atomically, so that another program never reads a part of it.
pub async fn remember(key: &str, text: String) {
    let write = || {
        let file = file()?;
        let mut all = all();
        all.insert(key.to_string(), text);
        durable::create_folder(file.parent()?).ok()?;
        let json = serde_json::to_vec_pretty(&all).ok()?;
        durable::write_file(&file, &json).ok()
    };
    // Failure is harmless: the data only saves time.
    let _ = write();
}
