//! Folders that a package manager filled by a lock file: each holds the lock's text, so that the
//! next run knows whether it still fits.

use std::path::{Path, PathBuf};

fn stamp(folder: &Path) -> PathBuf {
    folder.join(".installed")
}

/// Whether `folder` was filled by this `lock`.
pub fn fits(folder: &Path, lock: &str) -> bool {
    read(&stamp(folder)).ok().as_deref() == Some(lock)
}

/// Creates an empty folder, without files of an earlier version.
pub fn create(folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        std::fs::remove_dir_all(folder).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)
}

/// Says that `folder` was filled by this `lock`.
pub fn finish(folder: &Path, lock: &str) -> Result<(), String> {
    let path = stamp(folder);
    std::fs::write(&path, lock).map_err(|error| format!("{}: {error}", path.display()))
}

/// The text of a lock file.
pub fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
