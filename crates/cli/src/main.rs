//! The command line. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    inf_llava_cli::commands::main()
}
