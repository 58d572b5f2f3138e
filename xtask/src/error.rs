//! Errors, and their exit codes.

use std::fmt;

/// An error; its message names the command and says what to do.
#[derive(Debug)]
pub enum Error {
    /// A command failed, or the machine is not set up as required. Exit code 1.
    Failed(String),
    /// The command line is invalid in a way that clap cannot tell, or a variable of the environment
    /// is. Exit code 2, as clap's.
    Usage(String),
    /// Something is missing that this program cannot, or may not, install itself. Exit code 3.
    ByHand(String),
}

impl Error {
    /// The program's exit code, as listed in `--help`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::ByHand(_) => 3,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::ByHand(message) => f.write_str(message),
            Self::Usage(message) => write!(f, "{message}\nSee: cargo xtask --help"),
        }
    }
}
