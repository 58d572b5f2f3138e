//! `inf-llava licenses`: whose software the program is made of, and under which licences.

use std::process::ExitCode;

use super::output::say_lines;

/// As `cargo xtask notices` wrote it. It lies in the program as it is: 170 KB that nothing touches before it is asked for.
const NOTICES: &str = include_str!("../../THIRD-PARTY.txt");

pub(super) fn run() -> anyhow::Result<ExitCode> {
    say_lines(NOTICES.trim_end());
    Ok(ExitCode::SUCCESS)
}
