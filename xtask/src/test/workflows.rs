//! `workflows`: checks that the files of `.github` are valid (actionlint), and grant no more rights
//! than needed (zizmor).

use std::path::{Path, PathBuf};

use crate::command::Command;
use crate::counts::Counts;
use crate::error::Error;
use crate::project::Project;
use crate::setup::{Tools, linters};

/// The number of checks that ran, and those that could not. A finding is an error.
pub fn check(project: &Project, tools: &Tools) -> Result<(Counts, Vec<String>), (Error, Counts)> {
    let files = files(&project.root).map_err(|error| (error, Counts::default()))?;
    // Each file counts as one check for each linter.
    let one = files.len() as u64;
    let names = files.iter().map(|file| file.display().to_string());
    let names: Vec<String> = names.collect();
    let mut counts = Counts::default();
    let mut left_out = Vec::new();
    for (name, linter) in [
        ("actionlint", linters::actionlint(project, tools)),
        ("zizmor", linters::zizmor(project)),
    ] {
        match linter.map(|linter| linter.args(names.iter().cloned())) {
            Ok(linter) => run(&linter, one, &mut counts).map_err(|error| (error, counts))?,
            Err(why) => {
                println!("    {name} is skipped: {why}");
                counts.skipped += one;
                left_out.push(format!("{name}, which cannot be had here"));
            }
        }
    }
    Ok((counts, left_out))
}

fn run(linter: &Command, checks: u64, counts: &mut Counts) -> Result<(), Error> {
    match linter.run() {
        Ok(()) => counts.passed += checks,
        Err(error) => {
            counts.failed += checks;
            return Err(error);
        }
    }
    Ok(())
}

/// The workflow files, relative to the root, sorted by name.
fn files(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = root.join(".github/workflows");
    let failed = |error| Error::Failed(format!("cannot read {}: {error}", folder.display()));
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|end| end == "yml" || end == "yaml")
        {
            files.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Failed(format!(
            "{} holds no workflow",
            folder.display()
        )));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    fn texts() -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files = files(&root).expect("workflows");
        let text = |file: PathBuf| {
            let text = std::fs::read_to_string(root.join(&file)).expect("text");
            (file.display().to_string(), text)
        };
        files.into_iter().map(text).collect()
    }

    #[test]
    fn actions_are_held_to_a_commit_and_their_version_is_said() {
        for (file, text) in texts() {
            let uses = text.lines().filter_map(|line| line.split_once("uses: "));
            for (_, action) in uses {
                let (name, version) = action.split_once(" # ").unwrap_or((action, ""));
                let commit = name.split_once('@').map(|(_, commit)| commit);
                let is_commit = |commit: &str| {
                    commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit())
                };
                assert!(
                    commit.is_some_and(is_commit) && version.starts_with('v'),
                    "{file}: {action}"
                );
            }
        }
    }

    #[test]
    fn a_workflow_begins_without_rights_and_has_the_projects_compiler() {
        let manifest = include_str!("../../../Cargo.toml");
        let mut lines = manifest.lines();
        let rust = lines.find_map(|line| line.strip_prefix("rust-version = "));
        let rust = rust.expect("rust-version");
        for (file, text) in texts() {
            assert!(text.contains("\npermissions: {}\n"), "{file}");
            assert!(
                text.contains(&format!("\n  RUSTUP_TOOLCHAIN: {rust}\n")),
                "{file}"
            );
        }
    }

    #[test]
    fn every_command_of_a_workflow_exists() {
        for (file, text) in texts() {
            for (_, command) in text
                .lines()
                .filter_map(|line| line.split_once("cargo xtask "))
            {
                let command = command
                    .replace("\"$GITHUB_REF_NAME\"", "v1.2.3")
                    .replace("\"$TARGET\"", "x86_64-unknown-linux-gnu");
                let command = command.split(" > ").next().unwrap_or_default();
                // Comments may mention commands too, in quotes.
                let command = command.split('`').next().unwrap_or_default();
                let words = command.split_whitespace().filter(|word| *word != "…");
                let words: Vec<&str> = words.map(|word| word.trim_matches('"')).collect();
                if words == ["release"] {
                    continue;
                }
                let parsed = Cli::try_parse_from(["xtask"].iter().chain(&words));
                assert!(parsed.is_ok(), "{file}: cargo xtask {command}");
            }
        }
    }
}
