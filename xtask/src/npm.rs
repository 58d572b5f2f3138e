//! `cargo xtask npm`: the package `inf-llava` for npm, built like the page, packed and checked.

use crate::command::Command;
use crate::error::Error;
use crate::page;
use crate::project::Project;
use crate::setup::{self, Tools};

/// Builds and packs; prints sizes and the tarball's path.
pub fn run(project: &Project) -> Result<(), Error> {
    let tools = setup::ensure(project, setup::WEB)?;
    page::fetch_command(project, &tools).run()?;
    page::build_command(project, &tools).run()?;
    commands(project, &tools).iter().try_for_each(Command::run)
}

/// The commands from the page's build to a checked tarball, quick checks first.
pub fn commands(project: &Project, tools: &Tools) -> Vec<Command> {
    let out = project.target.join("npm").display().to_string();
    vec![
        tools.command(project, "node web/check.mjs"),
        tools.command(project, "node web/pack.mjs --out").arg(out),
    ]
}
