//! Fuzzing of everything that reads files: the programs of fuzz/, under libFuzzer.

use std::path::PathBuf;

use super::TestOptions;
use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};
use crate::setup::Tools;

/// The programs of fuzz/Cargo.toml.
const TARGETS: [&str; 16] = [
    "clip",
    "config",
    "data_url",
    "dataset",
    "encoding",
    "header",
    "hub_headers",
    "hub_list",
    "index",
    "manifest",
    "picture",
    "pickle",
    "request",
    "template",
    "tokenizer",
    "transcript",
];
/// Minutes for each program with `--all`.
const ALL_MINUTES: u32 = 2;

/// How long each program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A fixed set of inputs: a few seconds.
    Short,
    /// Continues from the inputs that earlier long runs kept.
    Minutes(u32),
}

impl Length {
    /// The length that the options select.
    pub fn of(options: &TestOptions) -> Self {
        match options.minutes {
            Some(minutes) => Length::Minutes(minutes),
            None if options.all => Length::Minutes(ALL_MINUTES),
            None => Length::Short,
        }
    }

    /// libFuzzer's argument. An input of `encoding` is ten kilobytes of text encoded several times, one of `dataset` a file,
    /// one of `template` a program that is run several times.
    fn argument(self, name: &str) -> String {
        match self {
            Length::Minutes(minutes) => format!("-max_total_time={}", minutes * 60),
            Length::Short if ["encoding", "dataset", "template"].contains(&name) => {
                "-runs=2000".into()
            }
            Length::Short => "-runs=20000".into(),
        }
    }
}

/// cargo-fuzz's compiler flags except for the address sanitizer, which stable Rust lacks; the
/// fuzzed code has almost no unsafe code.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Folder of the inputs that found new behaviour. A short run starts without any, so that it is
/// deterministic; a long one continues from the last.
fn corpus(project: &Project, name: &str, length: Length) -> PathBuf {
    let kind = match length {
        Length::Short => "short",
        Length::Minutes(_) => "corpus",
    };
    project.target.join("fuzz").join(kind).join(name)
}

/// Creates the folders that the programs write to.
pub fn prepare(project: &Project, length: Length) -> Result<(), Error> {
    for name in TARGETS {
        let corpus = corpus(project, name, length);
        let failed =
            |error: std::io::Error| Error::Failed(format!("{}: {error}", corpus.display()));
        if length == Length::Short && corpus.exists() {
            std::fs::remove_dir_all(&corpus).map_err(failed)?;
        }
        std::fs::create_dir_all(&corpus).map_err(failed)?;
    }
    Ok(())
}

/// One command for each of fuzz/targets. An input that fails is written below the target folder.
pub fn commands(project: &Project, tools: &Tools, length: Length) -> Result<Vec<Command>, Error> {
    let host = tools.host(project)?;
    let target = project.target.join("fuzz");
    let command = |name: &str| {
        // An explicit target has its own folder and flags; otherwise cargo would rebuild everything
        // else.
        let run = "cargo run --release --quiet --manifest-path fuzz/Cargo.toml --target";
        let command = tools
            .command(project, run)
            .args([host.as_str(), "--bin", name]);
        let command = command
            .args(project::locked_flag())
            .env("CARGO_TARGET_DIR", target.display().to_string())
            .env("RUSTFLAGS", COVERAGE);
        command
            .args(["--", "-rss_limit_mb=2048", "-timeout=10", "-seed=1"])
            .args(["-verbosity=0", "-print_funcs=0", "-print_final_stats=1"])
            .arg(length.argument(name))
            .arg(format!("-artifact_prefix={}/{name}-", target.display()))
            .arg(corpus(project, name, length).display().to_string())
            .arg(format!("fuzz/seeds/{name}"))
    };
    Ok(TARGETS.into_iter().map(command).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_run_and_has_seeds() {
        let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz"));
        let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("fuzz/Cargo.toml");
        let mut programs: Vec<&str> = manifest
            .lines()
            .filter_map(|line| {
                line.strip_prefix("path = \"targets/")?
                    .strip_suffix(".rs\"")
            })
            .collect();
        programs.sort_unstable();
        let mut targets = TARGETS;
        targets.sort_unstable();
        assert_eq!(programs, targets);
        for name in TARGETS {
            let seeds = std::fs::read_dir(root.join("seeds").join(name)).expect(name);
            assert!(seeds.count() > 0, "{name}");
        }
    }

    #[test]
    fn runs_are_as_long_as_was_asked_for() {
        let length = |all, minutes| {
            Length::of(&TestOptions {
                all,
                minutes,
                ..TestOptions::default()
            })
        };
        assert_eq!(length(false, None), Length::Short);
        assert_eq!(length(true, None).argument("config"), "-max_total_time=120");
        assert_eq!(
            length(true, Some(5)).argument("config"),
            "-max_total_time=300"
        );
        assert_eq!(length(false, None).argument("config"), "-runs=20000");
    }
}
