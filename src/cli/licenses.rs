//! `inf-llava licenses`: the third-party software in the program, and its licences.

use std::process::ExitCode;

use super::output::say_lines;

/// Written by `cargo xtask notices`. Embedded uncompressed: 170 KB that are paged in only on use.
const NOTICES: &str = include_str!("../../THIRD-PARTY.txt");

pub(super) fn run() -> anyhow::Result<ExitCode> {
    say_lines(NOTICES.trim_end());
    Ok(ExitCode::SUCCESS)
}
