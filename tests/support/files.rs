//! Where the tests of all crates find their files.

use std::path::{Path, PathBuf};

/// The project's folder, above those of its crates.
pub fn root() -> &'static Path {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_root = |folder: &&Path| folder.join("tests/fixtures").is_dir();
    let mut above = crate_folder.ancestors();
    above
        .find(is_root)
        .expect("tests/fixtures lies in a folder above")
}

/// A fixture's folder.
pub fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures").join(name)
}

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}
