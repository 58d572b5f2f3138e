//! Prebuilt programs of their publishers: downloaded, verified by SHA-256, and put into the target
//! folder.
//!
//! In: a tool and the machine's target triple. Out: the folder with the program, or the reason why
//! there is none; the caller then compiles it. The SHA-256 is pinned here. If none is pinned, the
//! publisher's checksum beside the archive is used: it detects damage in transit, but says no more
//! than HTTPS about the sender.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::download::{self, Limits};
use super::{Tools, archive};
use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};

/// Variable: `no`, or the address of a mirror with the same paths as GitHub.
const CHOICE: &str = "INF_LLAVA_PREBUILT";
const GITHUB: &str = "https://github.com";

/// Pinned SHA-256 of archives: file, hash. Each was found in several independent projects, some of
/// which had compared it with the release's own checksum file. A wrong one only causes a
/// compilation.
const PINNED: &[(&str, &str)] = &[
    (
        "trunk-rs/trunk/releases/download/v0.21.14/trunk-x86_64-unknown-linux-gnu.tar.gz",
        "f2b4680cd239693a646a2795e4633c625328d7b2a044fbe749fa3a2fe9e7036b",
    ),
    (
        "trunk-rs/trunk/releases/download/v0.21.14/trunk-aarch64-unknown-linux-gnu.tar.gz",
        "b1d8e60e454f7fc182d9a4d95d1506ffbae947d8ba90f8f6f02da93b60f980f9",
    ),
    (
        "trunk-rs/trunk/releases/download/v0.21.14/trunk-x86_64-apple-darwin.tar.gz",
        "f1ba0e3bbe24e0ae219c6d22c33e24e2825c1608dd27c2556e323495110f1a95",
    ),
    (
        "trunk-rs/trunk/releases/download/v0.21.14/trunk-aarch64-apple-darwin.tar.gz",
        "764e299dd50d89442a4e96a236349f57961984b701e74d3dbdb39cd1c9f5101e",
    ),
    (
        "trunk-rs/trunk/releases/download/v0.21.14/trunk-x86_64-pc-windows-msvc.zip",
        "cd6ac15b9daff0365e5695036791ef2ce3c63f61c014f5a8c532363266e4569c",
    ),
    (
        "EmbarkStudios/cargo-deny/releases/download/0.20.2/cargo-deny-0.20.2-x86_64-unknown-linux-musl.tar.gz",
        "9f12ed4c49936e09b48bf862b595cde2fe64fcbd9d74dfacac6131ca824c8d5f",
    ),
];

/// A program in an exact version.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'a> {
    pub program: &'a str,
    /// Its crate.
    pub package: &'a str,
    pub version: &'a str,
}

/// Where archives are downloaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `None` disables downloads.
    base: Option<String>,
    limits: Limits,
}

impl Source {
    /// GitHub, unless the environment says otherwise.
    pub fn chosen() -> Result<Self, Error> {
        Self::from_choice(std::env::var(CHOICE).ok().as_deref())
    }

    fn from_choice(choice: Option<&str>) -> Result<Self, Error> {
        let base = match choice.map(|choice| choice.trim_end_matches('/')) {
            None | Some("") => Some(GITHUB.to_owned()),
            Some("no") => None,
            Some(url) if url.starts_with("https://") || download::is_local(url) => {
                Some(url.to_owned())
            }
            Some(other) => {
                return Err(Error::Usage(format!(
                    "{CHOICE} is `{other}`; it can be `no` or the address of a mirror, https://…"
                )));
            }
        };
        let limits = Limits::ARCHIVE;
        Ok(Self { base, limits })
    }

    #[cfg(test)]
    pub fn stand_in(base: String, limits: Limits) -> Self {
        let base = Some(base);
        Self { base, limits }
    }
}

/// A tool's archive: its path below GitHub's address, the suffix of its checksum's name, its
/// SHA-256 if pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Archive {
    path: String,
    checksum: &'static str,
    pinned: Option<String>,
}

impl Archive {
    /// `None` if the publisher has no build for the machine.
    fn of(tool: Tool, triple: &str) -> Option<Self> {
        let version = tool.version;
        let musl = |triple: &str| match triple {
            "x86_64-unknown-linux-gnu" => "x86_64-unknown-linux-musl".to_owned(),
            other => other.to_owned(),
        };
        let known = [
            "x86_64-unknown-linux-gnu",
            "aarch64-unknown-linux-gnu",
            "x86_64-apple-darwin",
            "aarch64-apple-darwin",
            "x86_64-pc-windows-msvc",
        ];
        if !known.contains(&triple) {
            return None;
        }
        let (path, checksum) = match tool.package {
            "trunk" => {
                let end = if triple.contains("windows") {
                    "zip"
                } else {
                    "tar.gz"
                };
                (
                    format!("trunk-rs/trunk/releases/download/v{version}/trunk-{triple}.{end}"),
                    ".sha256",
                )
            }
            "wasm-bindgen-cli" => (
                format!(
                    "wasm-bindgen/wasm-bindgen/releases/download/{version}/wasm-bindgen-{version}-{}.tar.gz",
                    musl(triple)
                ),
                ".sha256sum",
            ),
            "cargo-deny" => {
                let triple = triple.replace("-linux-gnu", "-linux-musl");
                (
                    format!(
                        "EmbarkStudios/cargo-deny/releases/download/{version}/cargo-deny-{version}-{triple}.tar.gz"
                    ),
                    ".sha256",
                )
            }
            _ => return None,
        };
        let pinned = PINNED.iter().find(|(name, _)| *name == path);
        let pinned = pinned.map(|(_, hash)| (*hash).to_owned());
        Some(Self {
            path,
            checksum,
            pinned,
        })
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// The folder of a tool, whose name contains the version, so that versions never share files.
pub fn folder(project: &Project, tool: Tool) -> PathBuf {
    let name = format!("{}-{}", tool.program, tool.version);
    project.work_dir().join("prebuilt").join(name)
}

/// Installs the tool without compiling it. Returns its origin, or the reason why it has to be
/// compiled.
pub fn install(
    project: &Project,
    tools: &Tools,
    tool: Tool,
    source: &Source,
) -> Result<String, String> {
    let Some(base) = &source.base else {
        return Err(format!("{CHOICE}=no"));
    };
    let triple = tools.host(project).map_err(|error| error.to_string())?;
    let archive = Archive::of(tool, &triple);
    let folder = folder(project, tool);
    // Pinned archives are tried first. cargo-binstall is used only if there is no pinned hash,
    // never after a mismatch.
    if archive
        .as_ref()
        .is_none_or(|archive| archive.pinned.is_none())
        && project::on_path(&["cargo-binstall"]).is_some()
    {
        match binstall(project, tools, tool, &folder) {
            Ok(()) => return Ok("by cargo-binstall".to_owned()),
            Err(error) => println!("    {error}"),
        }
    }
    let archive = archive.ok_or_else(|| format!("nobody publishes one for {triple}"))?;
    put(&archive, tool, base, source.limits, &folder)
}

/// Installs the publisher's build through cargo-binstall, which the user has installed and
/// therefore trusts.
fn binstall(project: &Project, tools: &Tools, tool: Tool, folder: &Path) -> Result<(), Error> {
    let command = tools
        .command(
            project,
            "cargo binstall --no-confirm --disable-telemetry --no-track",
        )
        .args(["--strategies", "crate-meta-data", "--install-path"])
        .arg(folder.display().to_string())
        .arg(format!("{}@{}", tool.package, tool.version));
    let log = project
        .work_dir()
        .join(format!("{}-binstall.log", tool.program));
    command.run_condensed(&log, Limits::ARCHIVE.total * 2)
}

/// Downloads, verifies, unpacks and starts the program.
fn put(
    archive: &Archive,
    tool: Tool,
    base: &str,
    limits: Limits,
    folder: &Path,
) -> Result<String, String> {
    let url = format!("{base}/{}", archive.path);
    let (wanted, pinned) = match &archive.pinned {
        Some(hash) => (hash.clone(), true),
        None => {
            let url = format!("{url}{}", archive.checksum);
            let limits = Limits {
                bytes: Limits::CHECKSUM.bytes,
                ..limits
            };
            (read_checksum(&download::fetch(&url, limits)?, &url)?, false)
        }
    };
    println!("    downloading {url}");
    let bytes = download::fetch(&url, limits)?;
    let hash = hex(&Sha256::digest(&bytes));
    if hash != wanted {
        return Err(format!("{url} has the SHA-256 {hash}, and not {wanted}"));
    }
    let file = format!("{}{}", tool.program, std::env::consts::EXE_SUFFIX);
    let program = archive::program(&bytes, archive.name(), &file)?;
    let path = folder.join(&file);
    write_program(&path, &program)
        .map_err(|error| format!("{} cannot be written ({error})", path.display()))?;
    let said = Command::program(&path).arg("--version").output();
    if !said.is_some_and(|said| super::cargo_tools::is_version(&said, tool.version)) {
        // Otherwise it would take precedence over the one that is compiled next. Failure is
        // harmless: another attempt overwrites it.
        let _ = std::fs::remove_file(&path);
        return Err(format!(
            "the program in {} does not run here as {}",
            archive.name(),
            tool.version
        ));
    }
    Ok(if pinned {
        "downloaded, with the SHA-256 that is pinned".to_owned()
    } else {
        format!(
            "downloaded, with its publisher's checksum; none is pinned for {} ({hash})",
            archive.name()
        )
    })
}

/// Writes a program atomically, since another run may look for it meanwhile.
fn write_program(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let part = folder.join(format!(".part-{}", std::process::id()));
    std::fs::write(&part, bytes)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o755))?;
    }
    std::fs::rename(&part, path)
}

/// Parses `HASH  FILE`, as written by sha256sum, or the hash alone.
fn read_checksum(bytes: &[u8], url: &str) -> Result<String, String> {
    let text = String::from_utf8_lossy(bytes);
    let hash = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_lowercase();
    if is_hash(&hash) {
        return Ok(hash);
    }
    Err(format!("{url} holds no SHA-256"))
}

fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "prebuilt_tests.rs"]
pub mod tests;
