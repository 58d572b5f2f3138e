//! `inf-llava licenses`: the third-party software in the program, and its licences.

use std::process::ExitCode;

use super::output::say_lines;

pub(super) fn run() -> anyhow::Result<ExitCode> {
    say_lines(inf_llava::THIRD_PARTY.trim_end());
    Ok(ExitCode::SUCCESS)
}
