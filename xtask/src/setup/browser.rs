//! Installs what the tests run on: a software Vulkan driver, strace, browsers, node and its
//! packages.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Need, Tools};
use crate::error::Error;
use crate::project::{self, Project};
use crate::version::Version;

/// The version that playwright-core requires. Debian 12 has 18, so a copy from npm may be needed.
const LEAST_NODE: &[u32] = &[20];
const NPM_NODE: &str = "node@22.23.3";
/// Variable with the path of the browser for the tests.
pub const CHROMIUM: &str = "CHROMIUM";
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
/// Variable with the path of the second browser, which also opens the page.
pub const FIREFOX: &str = "FIREFOX";
const FIREFOXES: &[&str] = &["firefox-esr", "firefox"];
/// Folders with a package.json that the tests need.
const PACKAGE_DIRS: &[&str] = &["web", "web/test", "tests/clients"];
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Debian packages for those of `needs` that are not met; what npm provides better is left to the
/// need's own step.
pub fn missing_packages(project: &Project, tools: &Tools, needs: &[Need]) -> Vec<&'static str> {
    let missing = |need: &&Need| match need {
        Need::Vulkan => cfg!(target_os = "linux") && lavapipe().is_none(),
        Need::Strace => cfg!(target_os = "linux") && project::on_path(&["strace"]).is_none(),
        Need::Chromium => named(CHROMIUM).is_none() && project::on_path(BROWSERS).is_none(),
        Need::Firefox => named(FIREFOX).is_none() && project::on_path(FIREFOXES).is_none(),
        Need::Node => !npm_runs(project, tools),
        _ => false,
    };
    let packages = |need: &Need| -> &[&'static str] {
        match need {
            Need::Vulkan => &["libvulkan1", "mesa-vulkan-drivers"],
            Need::Strace => &["strace"],
            Need::Chromium => &["chromium"],
            Need::Firefox => &["firefox-esr"],
            Need::Node => &["nodejs", "npm"],
            _ => &[],
        }
    };
    needs
        .iter()
        .filter(missing)
        .flat_map(packages)
        .copied()
        .collect()
}

pub fn ensure_vulkan() -> Result<String, Error> {
    if !cfg!(target_os = "linux") {
        return Ok("not needed: this system's own GPU interface is used".to_owned());
    }
    lavapipe().map(|driver| format!("there: {}", driver.display())).ok_or_else(|| {
        Error::ByHand(
            "libvulkan.so.1 or lavapipe's driver file (/usr/share/vulkan/icd.d/lvp_icd*.json) is missing although \
             libvulkan1 and mesa-vulkan-drivers are installed: reinstall them"
                .to_owned(),
        )
    })
}

/// The driver file of lavapipe, if the Vulkan loader is installed too.
fn lavapipe() -> Option<PathBuf> {
    let loader_dirs = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    loader_dirs
        .iter()
        .find(|dir| Path::new(dir).join("libvulkan.so.1").exists())?;
    ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"]
        .iter()
        .find_map(|dir| {
            let entries = std::fs::read_dir(dir).ok()?;
            entries.flatten().map(|entry| entry.path()).find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd"))
            })
        })
}

pub fn ensure_strace() -> Result<String, Error> {
    if !cfg!(target_os = "linux") {
        return Ok("not needed: what is written is seen on Linux only".to_owned());
    }
    let found = project::on_path(&["strace"]).map(|path| format!("there: {}", path.display()));
    found.ok_or_else(|| {
        Error::ByHand("no strace on PATH although the package strace is installed".to_owned())
    })
}

pub fn ensure_chromium(tools: &mut Tools) -> Result<String, Error> {
    let found = ensure_browser(CHROMIUM, BROWSERS)?;
    let message = format!("there: {}", found.display());
    tools.chromium = Some(found);
    Ok(message)
}

pub fn ensure_firefox(tools: &mut Tools) -> Result<String, Error> {
    let found = ensure_browser(FIREFOX, FIREFOXES)?;
    let message = format!("there: {}", found.display());
    tools.firefox = Some(found);
    Ok(message)
}

/// The browser named by the variable, otherwise the first of `programs` on PATH.
fn ensure_browser(variable: &str, programs: &[&str]) -> Result<PathBuf, Error> {
    match named(variable) {
        Some(path) if path.is_file() => Ok(path),
        Some(path) => Err(Error::ByHand(format!(
            "{variable} names {}, which is no file",
            path.display()
        ))),
        None => project::on_path(programs).ok_or_else(|| {
            let names = programs.join(", ");
            Error::ByHand(format!(
                "no browser on PATH (looked for {names}). Set {variable} to one."
            ))
        }),
    }
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
}

pub fn ensure_node(project: &Project, tools: &mut Tools) -> Result<String, Error> {
    if let Some(version) = node_version(project, tools) {
        return Ok(format!("there: {version}"));
    }
    println!(
        "    the system's node is older than {}: taking one from npm, for this checkout only",
        LEAST_NODE[0]
    );
    install_npm_node(project, tools)?;
    node_version(project, tools)
        .map(|version| format!("installed: npm's {version}"))
        .ok_or_else(|| {
            Error::ByHand(format!(
                "npm's {NPM_NODE} does not run here. Install Node {} or newer.",
                LEAST_NODE[0]
            ))
        })
}

/// The output of `node --version`, if it is new enough and npm is installed with it.
fn node_version(project: &Project, tools: &Tools) -> Option<String> {
    let said = tools.command(project, "node --version").output()?;
    let recent = Version::find(&said).is_some_and(|version| version.is_at_least(LEAST_NODE));
    (recent && npm_runs(project, tools)).then_some(said)
}

pub fn npm_runs(project: &Project, tools: &Tools) -> bool {
    tools.command(project, "npm --version").output().is_some()
}

/// Installs Node from npm in the target folder.
fn install_npm_node(project: &Project, tools: &mut Tools) -> Result<(), Error> {
    let folder = npm_node_dir(project);
    let created = std::fs::create_dir_all(&folder);
    created
        .map_err(|error| Error::Failed(format!("cannot create {}: {error}", folder.display())))?;
    let install = tools
        .command(
            project,
            "npm install --no-audit --no-fund --no-save --prefix",
        )
        .args([folder.display().to_string(), NPM_NODE.to_owned()]);
    install.run_condensed(&project.work_dir().join("npm-node.log"), LIMIT)?;
    tools.path_first.extend(npm_node_bin_dir(project));
    Ok(())
}

/// The folder of the Node that an earlier run installed from npm.
pub fn npm_node_bin_dir(project: &Project) -> Option<PathBuf> {
    Some(npm_node_dir(project).join("node_modules/.bin")).filter(|dir| dir.is_dir())
}

/// The name contains the version, so that versions never share files.
fn npm_node_dir(project: &Project) -> PathBuf {
    project.work_dir().join(NPM_NODE)
}

/// Installs the packages in the lock files, unless the same lock file was installed before.
pub fn ensure_packages(project: &Project, tools: &Tools) -> Result<String, Error> {
    let dirs: Vec<PathBuf> = PACKAGE_DIRS
        .iter()
        .map(|dir| project.root.join(dir))
        .filter(|dir| dir.join("package.json").is_file())
        .collect();
    if dirs.is_empty() {
        return Err(Error::Failed(format!(
            "no package.json in {}: the browser tests need one",
            PACKAGE_DIRS.join(" or ")
        )));
    }
    let mut word = "there";
    for dir in dirs {
        let wanted = lock_text(&dir);
        let stamp = dir.join("node_modules/.installed-lock");
        if wanted.is_some() && std::fs::read_to_string(&stamp).ok() == wanted {
            continue;
        }
        word = "installed";
        let install = tools
            // Installs exactly what the lock file lists; fails without one.
            .command(project, "npm ci --no-audit --no-fund")
            .dir(&dir)
            // Debian's browser is used; packages must not download their own.
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        install.run_condensed(&project.work_dir().join("npm.log"), LIMIT)?;
        if let Some(text) = lock_text(&dir) {
            // Without the stamp the next run only repeats the installation; a package without
            // dependencies leaves no folder for it.
            let _ = std::fs::write(&stamp, text);
        }
    }
    Ok(word.to_owned())
}

fn lock_text(dir: &Path) -> Option<String> {
    std::fs::read_to_string(dir.join("package-lock.json")).ok()
}
