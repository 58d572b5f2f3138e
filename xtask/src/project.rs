//! Paths of the project: the checkout, the target folder, and pinned versions.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::version;

/// Paths of this checkout.
pub struct Project {
    /// The repository's root.
    pub root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, otherwise `target` in the root.
    pub target: PathBuf,
}

impl Project {
    /// The checkout that this program was built from.
    pub fn find() -> Result<Self, Error> {
        // Cargo sets it on each run; the compiled-in value is for a program started directly.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = here.parent().unwrap_or(&here).to_path_buf();
        if !root.join("Cargo.toml").is_file() {
            return Err(Error::Failed(format!(
                "{} holds no Cargo.toml: the checkout was moved. Run `cargo xtask` again from inside it.",
                root.display()
            )));
        }
        let target = target_dir(&root, std::env::var_os("CARGO_TARGET_DIR"));
        Ok(Self { root, target })
    }

    /// Folder for this program's logs, the tools' own builds, and a Node if the machine has none.
    pub fn work_dir(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// Trunk's output.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// The version of `package` that Cargo.lock pins.
    pub fn locked_version(&self, package: &str) -> Result<String, Error> {
        let path = self.root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&path)
            .map_err(|error| Error::Failed(format!("cannot read {}: {error}", path.display())))?;
        version::locked(&lock, package)
            .map(str::to_owned)
            .ok_or_else(|| {
                Error::Failed(format!(
                    "Cargo.lock names no {package}: is it still a dependency in Cargo.toml?"
                ))
            })
    }
}

/// A relative `CARGO_TARGET_DIR` is relative to the folder in which cargo was called.
fn target_dir(root: &Path, chosen: Option<OsString>) -> PathBuf {
    match chosen {
        Some(dir) if !dir.is_empty() => {
            std::path::absolute(&dir).unwrap_or_else(|_| PathBuf::from(dir))
        }
        _ => root.join("target"),
    }
}

/// In CI a lock file that does not match Cargo.toml is an error; elsewhere cargo updates it.
pub fn locked_flag() -> Option<&'static str> {
    std::env::var_os("CI").map(|_| "--locked")
}

/// The first of `names` that is on PATH.
pub fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    names.iter().find_map(|name| {
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(&path)
            .map(|dir| dir.join(&file))
            .find(|file| file.is_file())
    })
}

/// The folder in which `cargo install` puts programs.
pub fn cargo_bin_dir() -> Option<PathBuf> {
    let home = |name: &str| {
        std::env::var_os(name)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    home("CARGO_INSTALL_ROOT")
        .or_else(|| home("CARGO_HOME"))
        .or_else(|| {
            home("HOME")
                .or_else(|| home("USERPROFILE"))
                .map(|dir| dir.join(".cargo"))
        })
        .map(|dir| dir.join("bin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_folder_is_the_chosen_one_or_in_the_root() {
        let root = Path::new("/checkout");
        assert_eq!(target_dir(root, None), Path::new("/checkout/target"));
        assert_eq!(
            target_dir(root, Some("".into())),
            Path::new("/checkout/target")
        );
        let warm = std::env::temp_dir();
        assert_eq!(target_dir(root, Some(warm.clone().into())), warm);
        assert!(target_dir(root, Some("relative".into())).is_absolute());
    }
}
