//! Programs that cargo compiles. Trunk would download wasm-bindgen and wasm-opt itself if PATH did not hold them.

use std::time::Duration;

use super::Tools;
use crate::command::Command;
use crate::error::Error;
use crate::project::Project;
use crate::version::Version;

/// The newest trunk that Rust 1.95 builds.
const TRUNK: &str = "0.21.14";
/// The newest cargo-deny that Rust 1.95 builds. Compiling it takes two minutes of one core.
const CARGO_DENY: &str = "0.20.2";
/// Compiling one takes three minutes on two idle cores.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// A program that `cargo install` brings.
struct CargoTool<'a> {
    program: &'a str,
    package: &'a str,
    version: &'a str,
}

pub fn ensure_trunk(project: &Project, tools: &Tools) -> Result<String, Error> {
    let tool = CargoTool {
        program: "trunk",
        package: "trunk",
        version: TRUNK,
    };
    ensure(project, tools, &tool)
}

pub fn ensure_cargo_deny(project: &Project, tools: &Tools) -> Result<String, Error> {
    let tool = CargoTool {
        program: "cargo-deny",
        package: "cargo-deny",
        version: CARGO_DENY,
    };
    ensure(project, tools, &tool)
}

/// The program must be of exactly the version that the library was compiled with.
pub fn ensure_wasm_bindgen(project: &Project, tools: &Tools) -> Result<String, Error> {
    let version = project.locked_version("wasm-bindgen")?;
    let tool = CargoTool {
        program: "wasm-bindgen",
        package: "wasm-bindgen-cli",
        version: &version,
    };
    ensure(project, tools, &tool)
}

fn ensure(project: &Project, tools: &Tools, tool: &CargoTool) -> Result<String, Error> {
    let CargoTool {
        program, version, ..
    } = tool;
    let is_there = || {
        let said = tools.command(project, program).arg("--version").output();
        said.filter(|said| is_version(said, version))
    };
    if let Some(said) = is_there() {
        return Ok(format!("there: {said}"));
    }
    install(project, tools, tool)?;
    is_there().map(|said| format!("installed: {said}")).ok_or_else(|| {
        Error::Failed(format!(
            "{program} was installed, but `{program} --version` does not say {version}: another one comes first on \
             PATH. Remove it, or put cargo's bin folder before it."
        ))
    })
}

/// Compiles a tool into cargo's bin folder.
fn install(project: &Project, tools: &Tools, tool: &CargoTool) -> Result<(), Error> {
    let CargoTool {
        program,
        package,
        version,
    } = tool;
    println!("    compiling {package} {version}: some minutes on two cores, once");
    let log = |name: &str| project.work_dir().join(format!("{program}{name}.log"));
    let locked = install_command(project, tools, tool).arg("--locked");
    if locked.run_condensed(&log("-locked"), LIMIT).is_ok() {
        return Ok(());
    }
    // A registry mirror may lack a dependency's newest release, which the tool's lock file names.
    println!(
        "    failed (see {}); once more without the tool's own lock file",
        log("-locked").display()
    );
    install_command(project, tools, tool).run_condensed(&log(""), LIMIT)
}

fn install_command(project: &Project, tools: &Tools, tool: &CargoTool) -> Command {
    let folder = project.work_dir().join("tools").display().to_string();
    tools
        .command(project, "cargo install")
        .args([tool.package, "--version", tool.version])
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
