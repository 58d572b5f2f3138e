//! Set-up: checks what the machine needs, and installs only what is missing.
//!
//! In: a list of needs. Out: [`Tools`], which all later commands use. Each step is idempotent.

mod apt;
pub mod archive;
mod browser;
mod cargo_tools;
mod download;
mod installed;
pub mod linters;
mod prebuilt;
pub mod python;
pub mod wasm;
mod wasm_opt;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};
pub use browser::{CHROMIUM, FIREFOX};
use wasm::Route;

/// Names of Python's program.
const PYTHONS: &[&str] = &["python3", "python"];

/// One requirement of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A standard library for wasm32-unknown-unknown.
    WasmTarget,
    /// trunk, which builds and serves the page.
    Trunk,
    /// The wasm-bindgen program, of exactly the library's version.
    WasmBindgen,
    /// wasm-opt, which shrinks the page's program to a third.
    WasmOpt,
    /// A software Vulkan driver, so that the GPU code runs without a GPU.
    Vulkan,
    /// strace, with which a test observes the program's connections and file writes.
    Strace,
    /// A browser with WebGPU.
    Chromium,
    /// A browser with another engine, which opens the page with the features that it has.
    Firefox,
    /// Node, which builds the page and drives the browser.
    Node,
    /// The npm packages of the page and of its tests.
    NodePackages,
    /// cargo-deny, which checks licences, sources and advisories of all crates.
    CargoDeny,
}

/// Requirements of building the page.
pub const WEB: &[Need] = &[
    Need::WasmTarget,
    Need::Trunk,
    Need::WasmBindgen,
    Need::WasmOpt,
    Need::Node,
    Need::NodePackages,
];
/// Additional requirements of the tests.
pub const TEST: &[Need] = &[
    Need::Vulkan,
    Need::Strace,
    Need::Chromium,
    Need::Firefox,
    Need::Node,
    Need::NodePackages,
    Need::CargoDeny,
];

impl Need {
    /// What it is and what it is for, in one line.
    fn purpose(self) -> &'static str {
        match self {
            Self::WasmTarget => "wasm32 target, to compile the program for the browser",
            Self::Trunk => "trunk, to build and serve the page",
            Self::WasmBindgen => "wasm-bindgen, to join the program to JavaScript",
            Self::WasmOpt => "wasm-opt, to make the page's program small",
            Self::Vulkan => "software Vulkan (lavapipe), to run the GPU code without a GPU",
            Self::Strace => "strace, to see what the program connects and writes",
            Self::Node => "node, to put the page together and to drive the browser in the tests",
            Self::Chromium => "Chromium, to test the page in a real browser",
            Self::Firefox => "Firefox, to test the page in another",
            Self::NodePackages => {
                "npm packages of the page and of its tests (esbuild, playwright-core)"
            }
            Self::CargoDeny => "cargo-deny, to check licences, sources and advisories",
        }
    }
}

/// The tools that were found or installed.
#[derive(Clone, Debug, Default)]
pub struct Tools {
    /// Folders to search before PATH: where cargo and npm put installed programs.
    pub path_first: Vec<PathBuf>,
    /// How wasm is compiled; `None` if no step needed it.
    pub wasm: Option<Route>,
    /// The browser.
    pub chromium: Option<PathBuf>,
    /// The second browser.
    pub firefox: Option<PathBuf>,
}

impl Tools {
    /// The tools that are found without installing anything.
    pub fn found(project: &Project) -> Self {
        let mut tools = Self {
            path_first: cargo_tools::prebuilt_dirs(project),
            ..Self::default()
        };
        tools
            .path_first
            .extend(project::cargo_bin_dir().filter(|dir| comes_late(dir)));
        tools.path_first.extend(browser::npm_node_bin_dir(project));
        tools
    }

    /// The compiler's default target triple.
    pub fn host(&self, project: &Project) -> Result<String, Error> {
        let about = self.command(project, "rustc -vV").output();
        let host = about.as_deref().and_then(|about| {
            let mut lines = about.lines();
            lines.find_map(|line| line.strip_prefix("host: "))
        });
        host.map(str::to_owned)
            .ok_or_else(|| Error::Failed("`rustc -vV` names no host".to_owned()))
    }

    /// A command with the tools on its PATH.
    pub fn command(&self, project: &Project, line: &str) -> Command {
        Command::line(line)
            .dir(&project.root)
            .path_first(&self.path_first)
    }

    /// A cargo command that uses the lock file, with `--locked` in CI; `line` is the words after
    /// `cargo`.
    pub fn cargo(&self, project: &Project, line: &str) -> Command {
        let command = self.command(project, "cargo").args(project::locked_flag());
        command.args(line.split_whitespace())
    }

    /// A command that compiles for wasm.
    pub fn wasm_command(&self, project: &Project, line: &str) -> Command {
        let envs = self.wasm.as_ref().map(Route::envs).unwrap_or_default();
        self.command(project, line).envs(&envs)
    }
}

/// Whether PATH does not contain cargo's bin folder, or another wasm-opt comes before it: the only
/// one of these tools that systems ship too.
fn comes_late(cargo_bin: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = format!("wasm-opt{}", std::env::consts::EXE_SUFFIX);
    for dir in std::env::split_paths(&path) {
        if dir == cargo_bin {
            return false;
        }
        if dir.join(&program).is_file() {
            return true;
        }
    }
    true
}

/// `cargo xtask setup`: everything, or the selected parts.
pub fn run(project: &Project, web: bool, test: bool) -> Result<(), Error> {
    let all = !web && !test;
    let mut needs = Vec::new();
    if web || all {
        needs.extend_from_slice(WEB);
    }
    if test || all {
        let more: Vec<Need> = TEST
            .iter()
            .filter(|need| !needs.contains(need))
            .copied()
            .collect();
        needs.extend(more);
    }
    let tools = ensure(project, &needs)?;
    println!("Set-up is complete.");
    let wasm_needs_it = tools
        .wasm
        .as_ref()
        .is_some_and(|route| !route.envs().is_empty());
    if wasm_needs_it || !cargo_tools::prebuilt_dirs(project).is_empty() {
        println!("For plain `trunk serve`, in a shell of its own: eval \"$(cargo xtask env)\"");
    }
    Ok(())
}

/// Checks `needs` in order and installs those that are missing.
pub fn ensure(project: &Project, needs: &[Need]) -> Result<Tools, Error> {
    let mut tools = Tools::found(project);
    if !needs.is_empty() {
        println!(
            "Set-up: {} things to check, each installed only if missing",
            needs.len()
        );
    }
    let packages = browser::missing_packages(project, &tools, needs);
    if !packages.is_empty() {
        // All at once: a single request to users without root, and a single run of apt-get for
        // others.
        println!("  Debian packages: {}", packages.join(" "));
        apt::install(project, "What the tests run on", &packages)?;
    }
    for (index, need) in needs.iter().enumerate() {
        println!("  {}/{} {}", index + 1, needs.len(), need.purpose());
        let started = Instant::now();
        let result = match need {
            Need::WasmTarget => wasm::ensure(project, &mut tools),
            Need::Trunk => cargo_tools::ensure_trunk(project, &mut tools),
            Need::WasmBindgen => cargo_tools::ensure_wasm_bindgen(project, &mut tools),
            Need::WasmOpt => wasm_opt::ensure(project, &tools),
            Need::Vulkan => browser::ensure_vulkan(),
            Need::Strace => browser::ensure_strace(),
            Need::Chromium => browser::ensure_chromium(&mut tools),
            Need::Firefox => browser::ensure_firefox(&mut tools),
            Need::Node => browser::ensure_node(project, &mut tools),
            Need::NodePackages => browser::ensure_packages(project, &tools),
            Need::CargoDeny => cargo_tools::ensure_cargo_deny(project, &mut tools),
        }?;
        println!("    {result} ({:.1} s)", started.elapsed().as_secs_f32());
    }
    Ok(tools)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Collects the lines below `folder`, outside tests, that run cargo without `Tools::cargo`.
    fn unlocked(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                unlocked(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).expect("text");
            // This one adds the flag itself, after the path of its own manifest.
            if text.contains("--manifest-path") && text.contains("locked_flag()") {
                continue;
            }
            let program = text.split("#[cfg(test)]").next().unwrap_or_default();
            let words = [
                "run", "test", "build", "clippy", "doc", "fetch", "metadata", "tree", "xtask",
            ];
            let resolves = |line: &&str| {
                words
                    .iter()
                    .any(|word| line.contains(&format!("\"cargo {word} ")))
            };
            let lines = program
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            found.extend(
                lines
                    .filter(resolves)
                    .map(|line| format!("{}: {}", path.display(), line.trim())),
            );
        }
    }

    #[test]
    fn what_reads_the_lock_file_is_held_to_it_in_ci() {
        let mut found = Vec::new();
        unlocked(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        // Printed as advice, not run.
        found.retain(|line| !line.contains("Run: cargo"));
        assert_eq!(found, [""; 0], "use Tools::cargo");
        let run = include_str!("../../../.ci/run");
        assert!(run.ends_with("exec cargo --locked xtask test\n"));
    }
}
