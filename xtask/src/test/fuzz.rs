//! Hostile files against everything that reads files: the programs of fuzz/, under libFuzzer.

use std::path::PathBuf;

use crate::command::Command;
use crate::error::Error;
use crate::project::{self, Project};
use crate::setup::Tools;

/// The programs of fuzz/Cargo.toml.
const TARGETS: [&str; 6] = [
    "config",
    "header",
    "index",
    "manifest",
    "pickle",
    "tokenizer",
];
/// Inputs that each tries, the same every time: some seconds.
const RUNS: &str = "-runs=20000";
/// With `--all`, going on from what earlier runs kept: ten minutes each.
const LONG: &str = "-max_total_time=600";
/// What cargo-fuzz gives the compiler, but for the address sanitizer, which stable Rust lacks: there is next to no
/// unsafe code in what is fuzzed.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";

/// Where a target keeps the inputs that showed something new. A short run begins without any, so that it is the same
/// every time; a long one goes on from the last.
fn corpus(project: &Project, name: &str, all: bool) -> PathBuf {
    let kind = if all { "corpus" } else { "short" };
    project.target.join("fuzz").join(kind).join(name)
}

/// Makes the folders that the programs write to.
pub fn prepare(project: &Project, all: bool) -> Result<(), Error> {
    for name in TARGETS {
        let corpus = corpus(project, name, all);
        let failed =
            |error: std::io::Error| Error::Failed(format!("{}: {error}", corpus.display()));
        if !all && corpus.exists() {
            std::fs::remove_dir_all(&corpus).map_err(failed)?;
        }
        std::fs::create_dir_all(&corpus).map_err(failed)?;
    }
    Ok(())
}

/// A program for each of fuzz/targets. An input that one fails on is written below the target folder.
pub fn commands(project: &Project, tools: &Tools, all: bool) -> Result<Vec<Command>, Error> {
    let about = tools.command(project, "rustc -vV").run_for_text()?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Error::Failed("`rustc -vV` names no host".to_owned()))?;
    let target = project.target.join("fuzz");
    let command = |name: &str| {
        // A target of its own folder and flags: cargo would else build everything else again.
        let run = "cargo run --release --quiet --manifest-path fuzz/Cargo.toml --target";
        let command = tools.command(project, run).args([host, "--bin", name]);
        let command = command
            .args(project::locked_flag())
            .env("CARGO_TARGET_DIR", target.display().to_string())
            .env("RUSTFLAGS", COVERAGE);
        command
            .args(["--", "-rss_limit_mb=2048", "-timeout=10", "-seed=1"])
            .args(["-verbosity=0", "-print_funcs=0", "-print_final_stats=1"])
            .arg(if all { LONG } else { RUNS })
            .arg(format!("-artifact_prefix={}/{name}-", target.display()))
            .arg(corpus(project, name, all).display().to_string())
            .arg(format!("fuzz/seeds/{name}"))
    };
    Ok(TARGETS.into_iter().map(command).collect())
}
