//! Tools from the Rust ecosystem: prebuilt by their publishers if available, otherwise compiled by
//! cargo. Trunk would download wasm-bindgen and wasm-opt itself if they were not on PATH.

use std::path::PathBuf;
use std::time::Duration;

use super::Tools;
use super::prebuilt::{self, Source, Tool};
use crate::command::Command;
use crate::error::Error;
use crate::project::Project;
use crate::version::Version;

/// The newest trunk that Rust 1.95 can build.
const TRUNK: &str = "0.21.14";
/// The newest cargo-deny that Rust 1.95 can build. Compiling it takes two minutes on one core.
const CARGO_DENY: &str = "0.20.2";
/// Compiling one takes three minutes on two idle cores.
const LIMIT: Duration = Duration::from_secs(60 * 60);

pub const TRUNK_TOOL: Tool = Tool {
    program: "trunk",
    package: "trunk",
    version: TRUNK,
};
pub const CARGO_DENY_TOOL: Tool = Tool {
    program: "cargo-deny",
    package: "cargo-deny",
    version: CARGO_DENY,
};

pub fn ensure_trunk(project: &Project, tools: &mut Tools) -> Result<String, Error> {
    ensure(project, tools, TRUNK_TOOL)
}

pub fn ensure_cargo_deny(project: &Project, tools: &mut Tools) -> Result<String, Error> {
    ensure(project, tools, CARGO_DENY_TOOL)
}

/// The program must have exactly the version of the library.
pub fn wasm_bindgen_tool(version: &str) -> Tool<'_> {
    Tool {
        program: "wasm-bindgen",
        package: "wasm-bindgen-cli",
        version,
    }
}

pub fn ensure_wasm_bindgen(project: &Project, tools: &mut Tools) -> Result<String, Error> {
    let version = project.locked_version("wasm-bindgen")?;
    ensure(project, tools, wasm_bindgen_tool(&version))
}

/// The folders of tools that were downloaded earlier.
pub fn prebuilt_dirs(project: &Project) -> Vec<PathBuf> {
    let wasm_bindgen = project.locked_version("wasm-bindgen").unwrap_or_default();
    let tools = [
        TRUNK_TOOL,
        wasm_bindgen_tool(&wasm_bindgen),
        CARGO_DENY_TOOL,
    ];
    let folders = tools.map(|tool| prebuilt::folder(project, tool));
    folders
        .into_iter()
        .filter(|folder| folder.is_dir())
        .collect()
}

fn ensure(project: &Project, tools: &mut Tools, tool: Tool) -> Result<String, Error> {
    if let Some(said) = said_version(project, tools, tool) {
        return Ok(format!("there: {said}"));
    }
    let how = get(project, tools, tool, &Source::chosen()?, compile)?;
    said_version(project, tools, tool).map(|said| format!("installed: {said} ({how})")).ok_or_else(|| {
        let Tool { program, version, .. } = tool;
        Error::Failed(format!(
            "{program} was installed, but `{program} --version` does not say {version}: another one comes first on \
             PATH. Remove it, or put cargo's bin folder before it."
        ))
    })
}

/// The version line of the first such program on PATH, if it is the required version.
fn said_version(project: &Project, tools: &Tools, tool: Tool) -> Option<String> {
    let said = tools
        .command(project, tool.program)
        .arg("--version")
        .output();
    said.filter(|said| is_version(said, tool.version))
}

/// Installs a prebuilt tool, otherwise calls `compile` with the reason. Returns which it was.
fn get(
    project: &Project,
    tools: &mut Tools,
    tool: Tool,
    source: &Source,
    compile: impl FnOnce(&Project, &Tools, Tool, &str) -> Result<(), Error>,
) -> Result<String, Error> {
    match prebuilt::install(project, tools, tool, source) {
        Ok(how) => {
            tools.path_first.insert(0, prebuilt::folder(project, tool));
            Ok(how)
        }
        Err(why) => compile(project, tools, tool, &why).map(|()| "compiled".to_owned()),
    }
}

/// Compiles a tool into cargo's bin folder.
fn compile(project: &Project, tools: &Tools, tool: Tool, why: &str) -> Result<(), Error> {
    let Tool {
        package, version, ..
    } = tool;
    println!("    {package} {version} is compiled, since it cannot be had ready to run: {why}");
    println!("    this takes some minutes on two cores, once");
    let log = |name: &str| {
        project
            .work_dir()
            .join(format!("{}{name}.log", tool.program))
    };
    let locked = install_command(project, tools, tool).arg("--locked");
    if locked.run_condensed(&log("-locked"), LIMIT).is_ok() {
        return Ok(());
    }
    // A registry mirror may not have a dependency's newest release, which the tool's lock file
    // requires.
    println!(
        "    failed (see {}); once more without the tool's own lock file",
        log("-locked").display()
    );
    install_command(project, tools, tool).run_condensed(&log(""), LIMIT)
}

fn install_command(project: &Project, tools: &Tools, tool: Tool) -> Command {
    let folder = project.work_dir().join("tools").display().to_string();
    tools
        .command(project, "cargo install")
        .args([tool.package, "--version", tool.version])
        // A separate folder: repeating the build is fast, and the project's own build stays
        // untouched.
        .env("CARGO_TARGET_DIR", folder)
        // trunk's own release profile spends minutes on optimization that a build tool does not
        // need.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        // Without the lock file, with versions that this compiler can build.
        .env("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback")
}

pub fn is_version(said: &str, version: &str) -> bool {
    Version::find(said).is_some_and(|found| Version::find(version) == Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::prebuilt::tests::Answer;

    #[test]
    fn a_tool_is_taken_only_in_its_exact_version() {
        assert!(is_version("wasm-bindgen 0.2.130", "0.2.130"));
        assert!(!is_version("wasm-bindgen 0.2.13", "0.2.130"));
        assert!(!is_version("trunk 0.22.1", TRUNK));
        assert!(!is_version("", TRUNK));
    }

    /// The reason given to `compile`, for a host with this answer.
    fn compiled_since(answer: Answer) -> String {
        let word = format!("{:?}", std::thread::current().id());
        let folder = std::env::temp_dir().join(format!("xtask-get-{}-{word}", std::process::id()));
        let project = Project {
            root: std::env::temp_dir(),
            target: folder.clone(),
        };
        let source = Source::stand_in(prebuilt::tests::stand_in(answer), prebuilt::tests::LIMITS);
        let mut told = String::new();
        let mut tools = Tools::default();
        let how = get(&project, &mut tools, TRUNK_TOOL, &source, |_, _, _, why| {
            why.clone_into(&mut told);
            Ok(())
        });
        assert_eq!(how.ok().as_deref(), Some("compiled"));
        assert!(tools.path_first.is_empty() && !folder.exists(), "{told}");
        told
    }

    #[test]
    fn what_cannot_be_had_ready_to_run_is_compiled_and_the_reason_is_told() {
        // Its hash is not the pinned one of trunk, as for any program that is not the real trunk.
        let other = prebuilt::tests::release("0.21.14");
        let told = compiled_since(Answer::Files(other.clone(), String::new()));
        assert!(told.contains("has the SHA-256"), "{told}");
        let told = compiled_since(Answer::Truncated(other));
        assert!(told.contains("cannot be fetched"), "{told}");
        let told = compiled_since(Answer::NotFound);
        assert!(told.contains("404"), "{told}");
        let told = compiled_since(Answer::Silent);
        assert!(told.contains("cannot be fetched"), "{told}");
    }
}
