//! The command line. Everything is in the library's `cli` module.

use std::process::ExitCode;

fn main() -> ExitCode {
    inf_llava::cli::main()
}
