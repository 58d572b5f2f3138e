//! trunk, wasm-bindgen and wasm-opt. Trunk would download the last two itself if PATH did not hold them.

use std::time::Duration;

use super::{Tools, apt, browser};
use crate::command::Command;
use crate::error::Error;
use crate::project::Project;
use crate::version::Version;

/// The newest trunk that Rust 1.95 builds.
const TRUNK: &str = "0.21.14";
/// Debian 12's binaryen, the oldest that was tried on the page's program.
const LEAST_WASM_OPT: &[u32] = &[108];
/// npm's binaryen, where the system has none or an older one.
pub const NPM_BINARYEN: &str = "binaryen@132.0.0";
/// Compiling a tool takes two minutes on two cores.
const LIMIT: Duration = Duration::from_secs(45 * 60);

pub fn ensure_trunk(project: &Project, tools: &Tools) -> Result<String, Error> {
    cargo_install(project, tools, "trunk", "trunk", TRUNK)
}

/// The program must be of exactly the version that the library was compiled with.
pub fn ensure_wasm_bindgen(project: &Project, tools: &Tools) -> Result<String, Error> {
    let version = project.locked_version("wasm-bindgen")?;
    cargo_install(project, tools, "wasm-bindgen", "wasm-bindgen-cli", &version)
}

pub fn ensure_wasm_opt(project: &Project, tools: &mut Tools) -> Result<String, Error> {
    if let Some(version) = wasm_opt_version(project, tools) {
        return Ok(format!("there: {version}"));
    }
    let apt_error = match apt::install(project, "wasm-opt", &["binaryen"]) {
        Ok(()) => match wasm_opt_version(project, tools) {
            Some(version) => return Ok(format!("installed: {version}")),
            None => Error::Failed(format!(
                "Debian's wasm-opt is older than {}",
                LEAST_WASM_OPT[0]
            )),
        },
        Err(error) => error,
    };
    println!("    the system's packages cannot serve, npm's may");
    let Err(npm_error) = browser::npm_install_local(project, tools, NPM_BINARYEN) else {
        return match wasm_opt_version(project, tools) {
            Some(version) => Ok(format!("installed: npm's {version}")),
            None => Err(Error::Failed(format!(
                "npm's {NPM_BINARYEN} holds no wasm-opt that runs"
            ))),
        };
    };
    println!("    npm cannot serve either: {npm_error}");
    Err(apt_error)
}

/// What `wasm-opt --version` says, if it is new enough.
fn wasm_opt_version(project: &Project, tools: &Tools) -> Option<String> {
    let said = tools.command(project, "wasm-opt --version").output()?;
    Version::find(&said)
        .filter(|version| version.is_at_least(LEAST_WASM_OPT))
        .map(|_| said)
}

fn cargo_install(
    project: &Project,
    tools: &Tools,
    program: &str,
    package: &str,
    version: &str,
) -> Result<String, Error> {
    let is_there = || {
        tools
            .command(project, program)
            .arg("--version")
            .output()
            .filter(|said| is_version(said, version))
    };
    if let Some(said) = is_there() {
        return Ok(format!("there: {said}"));
    }
    println!("    compiling {package} {version}: about two minutes on two cores");
    let log = |name: &str| project.work_dir().join(format!("{program}{name}.log"));
    let mut install = install_command(project, tools, package, version, true);
    if install.run_condensed(&log("-locked"), LIMIT).is_err() {
        // A registry mirror may lack a dependency's newest release, which the tool's lock file names.
        let log_name = log("-locked").display().to_string();
        println!("    failed (see {log_name}); once more without the tool's own lock file");
        install = install_command(project, tools, package, version, false);
        install.run_condensed(&log(""), LIMIT)?;
    }
    is_there().map(|said| format!("installed: {said}")).ok_or_else(|| {
        Error::Failed(format!(
            "`{install}` succeeded, but `{program} --version` does not say {version}: another {program} comes first \
             on PATH. Remove it, or put cargo's bin folder before it."
        ))
    })
}

fn install_command(
    project: &Project,
    tools: &Tools,
    package: &str,
    version: &str,
    locked: bool,
) -> Command {
    let line = if locked {
        "cargo install --locked"
    } else {
        "cargo install"
    };
    let folder = project.work_dir().join("tools").display().to_string();
    tools
        .command(project, line)
        .args([package, "--version", version])
        // A folder of its own: redoing it is quick, and the project's build is left alone.
        .env("CARGO_TARGET_DIR", folder)
        // trunk's own release profile spends minutes on a speed that a build tool does not need.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        // Without the lock file: versions that this compiler can build.
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback")
}

fn is_version(said: &str, version: &str) -> bool {
    Version::find(said).is_some_and(|found| Version::find(version) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_taken_only_in_its_exact_version() {
        assert!(is_version("wasm-bindgen 0.2.130", "0.2.130"));
        assert!(!is_version("wasm-bindgen 0.2.13", "0.2.130"));
        assert!(!is_version("trunk 0.22.1", TRUNK));
        assert!(!is_version("", TRUNK));
    }
}
