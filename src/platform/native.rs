//! What is remembered between starts, in the user's cache folder.

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

/// What was kept under `key`, if it can be read.
pub(crate) async fn recall(key: &str) -> Option<String> {
    all().remove(key)
}

/// Keeps `text` under `key`; whole, so that another program never reads half of it.
pub(crate) async fn remember(key: &str, text: String) {
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
