//! Virtual environments of Python in the target folder, each with the packages of one list.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::installed::{create, finish, fits, read};
use super::{PYTHONS, apt};
use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};
use crate::version::Version;

/// Below it, the packages have no builds.
const LEAST: [u32; 3] = [3, 11, 0];
const LIMIT: Duration = Duration::from_secs(600);

/// The Python of an environment that has the packages in `list`, a `requirements.txt`. It is made
/// when it is missing, or when Python or the list has changed.
pub fn environment(project: &Project, name: &str, list: &Path) -> Result<PathBuf, Error> {
    let python = project::on_path(PYTHONS);
    let python = python.ok_or_else(|| by_hand("there is none on PATH".to_owned()))?;
    let said = Command::program(&python).arg("--version").output();
    let said = said.unwrap_or_else(|| "a program that does not run".to_owned());
    if !Version::find(&said).is_some_and(|version| version.is_at_least(&LEAST)) {
        return Err(by_hand(format!("{} is {said}", python.display())));
    }
    // The packages are in a folder that is named after Python's version.
    let lock = format!("# {said}\n{}", read(list).map_err(Error::Failed)?);
    let folder = project.work_dir().join(name);
    let program = program(&folder);
    if fits(&folder, &lock) && Command::program(&program).arg("-V").output().is_some() {
        return Ok(program);
    }
    create(&folder).map_err(Error::Failed)?;
    let log = project.work_dir().join(format!("{name}.log"));
    let make = Command::program(&python)
        .args(["-m", "venv", "--clear"])
        .arg(folder.display().to_string());
    if make.run_condensed(&log, LIMIT).is_err() {
        // Debian has it in a package of its own.
        apt::install(project, "Python's venv", &["python3-venv"])?;
        make.run_condensed(&log, LIMIT)?;
    }
    pip(&program, "install")
        .args(["--requirement", &list.display().to_string()])
        .run_condensed(&log, LIMIT)?;
    finish(&folder, &lock).map_err(Error::Failed)?;
    Ok(program)
}

/// The folder with the one wheel that `list` pins by its hash, downloaded unless it is there.
pub fn wheel(project: &Project, python: &Path, name: &str, list: &Path) -> Result<PathBuf, Error> {
    let lock = read(list).map_err(Error::Failed)?;
    let folder = project.work_dir().join(name);
    if !fits(&folder, &lock) {
        create(&folder).map_err(Error::Failed)?;
        pip(python, "download")
            .args(["--no-deps", "--require-hashes"])
            .args(["--requirement", &list.display().to_string()])
            .args(["--dest", &folder.display().to_string()])
            .run_condensed(&project.work_dir().join(format!("{name}.log")), LIMIT)?;
        finish(&folder, &lock).map_err(Error::Failed)?;
    }
    let failed = |error: std::io::Error| Error::Failed(format!("{}: {error}", folder.display()));
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|end| end == "whl");
    paths
        .find(is_wheel)
        .ok_or_else(|| Error::Failed(format!("{} holds no wheel", folder.display())))
}

/// pip, which takes no packages that would have to be built.
fn pip(python: &Path, action: &str) -> Command {
    Command::program(python)
        .args(["-m", "pip", action, "--disable-pip-version-check"])
        .args(["--only-binary", ":all:", "--retries", "1"])
}

fn program(folder: &Path) -> PathBuf {
    match cfg!(windows) {
        true => folder.join("Scripts").join("python.exe"),
        false => folder.join("bin").join("python"),
    }
}

fn by_hand(what: String) -> Error {
    let [major, minor, _] = LEAST;
    Error::ByHand(format!(
        "this needs Python {major}.{minor} or newer as python3, and {what}. Install it, then run the same command again."
    ))
}
