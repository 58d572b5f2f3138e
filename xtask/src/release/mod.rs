//! `cargo xtask release`: builds the parts of a release. Nothing is published without `--publish`.

mod archive;
mod version;

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::command::Command;
use crate::error::Error;
use crate::npm;
use crate::page;
use crate::project::Project;
use crate::setup::{self, Tools};

/// A part of a release.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Release {
    /// Whether all say one version, that of the tag, with words in CHANGELOG.md
    Check { tag: Option<String> },
    /// Print the words of CHANGELOG.md for this version
    Notes,
    /// Build the program, and pack it into release-files/ of the target folder
    Archive {
        /// Machine to build for, if not this one
        #[arg(long, value_name = "TRIPLE", value_parser = PossibleValuesParser::new(archive::TARGETS))]
        target: Option<String>,
    },
    /// Write SHA256SUMS of the archives of all five machines
    Checksums {
        /// Folder of the archives
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Pack the npm package, and try to publish it
    Npm {
        /// Publish the one packed in DIR instead, with provenance
        #[arg(long, value_name = "DIR")]
        publish: Option<PathBuf>,
    },
    /// Pack the crates, and try to publish them in their order
    Crates(Crates),
}

/// How far to go with publishing the crates.
#[derive(Args, Debug, Default, PartialEq, Eq)]
#[group(multiple = false)]
pub struct Crates {
    /// Build what was packed, too
    #[arg(long)]
    pub verify: bool,
    /// Publish them
    #[arg(long)]
    pub publish: bool,
}

/// Runs one part of a release.
pub fn run(project: &Project, release: &Release) -> Result<(), Error> {
    let tools = Tools::found(project);
    match release {
        Release::Check { tag } => version::check(project, &tools, tag.as_deref()),
        Release::Notes => version::print_notes(project, &tools),
        Release::Archive { target } => archive::build(project, &tools, target.as_deref()),
        Release::Checksums { folder } => archive::checksums(project, &tools, folder),
        Release::Npm { publish: None } => pack(project),
        Release::Npm {
            publish: Some(folder),
        } => publish_package(project, &tools, folder),
        Release::Crates(how) => crates(project, &tools, how).run(),
    }
}

/// Builds and checks the npm package, and does a dry run of publishing it.
fn pack(project: &Project) -> Result<(), Error> {
    let tools = setup::ensure(project, setup::WEB)?;
    say_repository(project, &tools)?;
    page::fetch_command(project, &tools).run()?;
    page::build_command(project, &tools).run()?;
    for command in npm::commands(project, &tools) {
        command.run()?;
    }
    let tarball = the_tarball(&project.target.join("npm"))?;
    let version = version::of_crates(project, &tools)?;
    let publish = npm_publish(project, &tools, &version).arg("--dry-run");
    publish.arg(tarball).run()
}

/// Prints the repository: provenance requires the package to name the repository that it is built
/// in.
fn say_repository(project: &Project, tools: &Tools) -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(server), Some(name)) = (variable("GITHUB_SERVER_URL"), variable("GITHUB_REPOSITORY"))
    else {
        return Ok(());
    };
    tools
        .command(project, "npm pkg set repository.type=git")
        .arg(format!("repository.url=git+{server}/{name}.git"))
        .arg("repository.directory=web")
        .dir(&project.root.join("web"))
        .run()
}

/// Publishes the package that was packed before, with npm's provenance statement.
fn publish_package(project: &Project, tools: &Tools, folder: &Path) -> Result<(), Error> {
    let tarball = the_tarball(folder)?;
    let version = version::of_crates(project, tools)?;
    let publish = npm_publish(project, tools, &version).arg("--provenance");
    publish.arg(tarball).run()
}

/// A pre-release must not become the default version, so it gets another tag.
fn npm_publish(project: &Project, tools: &Tools, version: &str) -> Command {
    let tag = if version.contains('-') {
        "next"
    } else {
        "latest"
    };
    let command = tools.command(project, "npm publish --access public --tag");
    command.arg(tag)
}

fn the_tarball(folder: &Path) -> Result<String, Error> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "tgz"))
        .collect();
    match (found.pop(), found.pop()) {
        (Some(one), None) => {
            let path = std::path::absolute(&one).unwrap_or(one);
            Ok(path.display().to_string())
        }
        (None, _) => Err(Error::Failed(format!(
            "{} holds no .tgz. Make one first: cargo xtask release npm",
            folder.display()
        ))),
        _ => Err(Error::Failed(format!(
            "{} holds more than one .tgz. Remove those of earlier versions",
            folder.display()
        ))),
    }
}

/// All public crates, in the order of their dependencies, which cargo determines.
fn crates(project: &Project, tools: &Tools, how: &Crates) -> Command {
    let command = tools.command(project, "cargo publish --workspace --locked");
    match (how.verify, how.publish) {
        (false, false) => command.args(["--dry-run", "--no-verify"]),
        (true, _) => command.arg("--dry-run"),
        // Already built, without the registry's token, which may expire while burn compiles.
        (false, true) => command.arg("--no-verify"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_publishing_publishes_crates() {
        let project = Project {
            root: "/checkout".into(),
            target: "/checkout/target".into(),
        };
        let line = |verify, publish| {
            crates(&project, &Tools::default(), &Crates { verify, publish }).to_string()
        };
        assert!(line(false, false).contains("--dry-run"));
        assert!(line(true, false).ends_with("--dry-run"));
        assert!(!line(false, true).contains("--dry-run"));
    }

    #[test]
    fn a_version_before_a_version_is_not_the_latest() {
        let project = Project {
            root: "/checkout".into(),
            target: "/checkout/target".into(),
        };
        let line = |version| npm_publish(&project, &Tools::default(), version).to_string();
        assert!(line("1.2.0-rc.1").ends_with("--tag next"));
        assert!(line("1.2.0").ends_with("--tag latest"));
    }

    #[test]
    fn one_tarball_is_published_and_never_a_guess() {
        let folder = std::env::temp_dir().join(format!("xtask-tarball-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        assert!(the_tarball(&folder).is_err_and(|e| e.to_string().contains("holds no .tgz")));
        std::fs::write(folder.join("inf-llava-1.0.0.tgz"), "").expect("a file");
        std::fs::write(folder.join("other.txt"), "").expect("a file");
        assert!(the_tarball(&folder).is_ok_and(|path| path.ends_with("inf-llava-1.0.0.tgz")));
        std::fs::write(folder.join("inf-llava-0.9.0.tgz"), "").expect("a file");
        assert!(the_tarball(&folder).is_err_and(|e| e.to_string().contains("more than one")));
        let _ = std::fs::remove_dir_all(&folder);
    }
}
