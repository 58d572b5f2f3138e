//! The wasm32 target: rustup's, or Debian's compiler with its own standard library if rustup cannot
//! download.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Tools, apt};
use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};
use crate::version::Version;

/// The target triple of the page.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// Variable that selects `rustup` or `debian`; otherwise the first that works.
const CHOICE: &str = "INF_LLAVA_WASM_TOOLCHAIN";
/// Debian's toolchain of a recent Rust (its plain `rustc` is years older).
const PACKAGES: &[&str] = &["rustc-web", "cargo-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// Cargo.toml's `rust-version`.
const LEAST_RUST: &[u32] = &[1, 95];
/// rustup fails at once if downloads are forbidden; a network that does not answer would take
/// minutes.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(180);

/// How wasm is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The default compiler, with the target added by rustup.
    Rustup,
    /// Debian's compiler. It also builds the standard library, and links with rustup's lld.
    Debian {
        /// rustup's `rust-lld`; Debian's compiler has none.
        linker: PathBuf,
    },
}

impl Route {
    /// The environment that makes cargo, also when called by trunk, use this route.
    pub fn envs(&self) -> Vec<(String, String)> {
        let Self::Debian { linker } = self else {
            return Vec::new();
        };
        let linker = linker.display().to_string();
        [
            ("RUSTC", DEBIAN_RUSTC),
            ("CARGO", DEBIAN_CARGO),
            ("RUSTC_BOOTSTRAP", "1"),
            ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort"),
            ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &linker),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// The route that is already available; installs nothing.
    pub fn find() -> Result<Option<Self>, Error> {
        let choice = choice(std::env::var(CHOICE).ok().as_deref())?;
        if choice != Choice::Debian && rustup_has_std() {
            return Ok(Some(Self::Rustup));
        }
        if choice != Choice::Rustup && debian_is_ready() {
            return Ok(Some(Self::Debian { linker: linker()? }));
        }
        Ok(None)
    }

    fn describe(&self) -> &'static str {
        match self {
            Self::Rustup => "rustup's",
            Self::Debian { .. } => "Debian's compiler, which builds the standard library along",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Either,
    Rustup,
    Debian,
}

fn choice(value: Option<&str>) -> Result<Choice, Error> {
    match value {
        None | Some("") => Ok(Choice::Either),
        Some("rustup") => Ok(Choice::Rustup),
        Some("debian") => Ok(Choice::Debian),
        Some(other) => Err(Error::Usage(format!(
            "{CHOICE} is `{other}`; it can be `rustup` or `debian`"
        ))),
    }
}

/// Finds a route, or installs one: rustup's first.
pub fn ensure(project: &Project, tools: &mut Tools) -> Result<String, Error> {
    if let Some(route) = Route::find()? {
        let message = format!("there: {}", route.describe());
        tools.wasm = Some(route);
        return Ok(message);
    }
    let choice = choice(std::env::var(CHOICE).ok().as_deref())?;
    if choice != Choice::Debian {
        match add_rustup_target(project) {
            Ok(()) if rustup_has_std() => {
                tools.wasm = Some(Route::Rustup);
                return Ok(format!("installed: {}", Route::Rustup.describe()));
            }
            Ok(()) => println!(
                "    rustup added the target for another toolchain than `rustc` belongs to"
            ),
            Err(error) if choice == Choice::Rustup => return Err(error),
            Err(error) => println!(
                "    rustup cannot add it ({error})\n    Debian's compiler can serve instead"
            ),
        }
    }
    apt::install(project, &format!("A Rust compiler for {TARGET}"), PACKAGES)?;
    if !debian_is_ready() {
        return Err(Error::ByHand(format!(
            "{} are installed, but {DEBIAN_RUSTC} is older than Rust {}.{} or has no source beside it. \
             Add the target to your own toolchain: rustup target add {TARGET}",
            PACKAGES.join(" "),
            LEAST_RUST[0],
            LEAST_RUST[1],
        )));
    }
    let route = Route::Debian { linker: linker()? };
    let message = format!("installed: {}", route.describe());
    tools.wasm = Some(route);
    Ok(message)
}

fn add_rustup_target(project: &Project) -> Result<(), Error> {
    if project::on_path(&["rustup"]).is_none() {
        return Err(Error::Failed("there is no rustup on PATH".to_owned()));
    }
    let log = project.work_dir().join("rustup.log");
    Command::line("rustup target add")
        .arg(TARGET)
        .dir(&project.root)
        .run_condensed(&log, DOWNLOAD_LIMIT)
}

/// Whether the compiler on PATH has a standard library for the target.
fn rustup_has_std() -> bool {
    let folder = Command::line("rustc --print target-libdir --target")
        .arg(TARGET)
        .output();
    folder.is_some_and(|folder| holds_std(Path::new(&folder)))
}

fn holds_std(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libstd-") && name.ends_with(".rlib")
        })
    })
}

fn debian_is_ready() -> bool {
    let version = Command::line(DEBIAN_RUSTC).arg("--version").output();
    let recent = version
        .and_then(|v| Version::find(&v))
        .is_some_and(|v| v.is_at_least(LEAST_RUST));
    let source = Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml");
    recent && Path::new(DEBIAN_CARGO).is_file() && source.is_file()
}

/// The lld of rustup.
fn linker() -> Result<PathBuf, Error> {
    let sysroot = Command::line("rustc --print sysroot")
        .output()
        .unwrap_or_default();
    let hosts = std::fs::read_dir(Path::new(&sysroot).join("lib/rustlib"));
    let found = hosts
        .into_iter()
        .flatten()
        .flatten()
        .map(|host| host.path().join("bin/rust-lld"));
    found.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        Error::ByHand(format!(
            "Debian's compiler needs rustup's linker, and `{sysroot}` holds no lib/rustlib/*/bin/rust-lld. \
             Install Rust with rustup, so that its `rustc` comes first on PATH."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debians_compiler_needs_an_environment() {
        assert!(Route::Rustup.envs().is_empty());
        let envs = Route::Debian {
            linker: "/lld".into(),
        }
        .envs();
        let names: Vec<&str> = envs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "RUSTC",
                "CARGO",
                "RUSTC_BOOTSTRAP",
                "CARGO_UNSTABLE_BUILD_STD",
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"
            ]
        );
        assert_eq!(envs[4].1, "/lld");
    }

    #[test]
    fn the_choice_is_checked() {
        assert!(choice(None).is_ok_and(|c| c == Choice::Either));
        assert!(choice(Some("debian")).is_ok_and(|c| c == Choice::Debian));
        assert!(choice(Some("fedora")).is_err_and(|e| e.exit_code() == 2));
    }

    #[test]
    fn a_folder_without_a_standard_library_is_no_target() {
        assert!(!holds_std(Path::new("/no/such/folder")));
        assert!(!holds_std(Path::new(env!("CARGO_MANIFEST_DIR"))));
    }
}
