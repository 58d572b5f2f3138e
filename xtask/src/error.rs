//! What can go wrong, and the exit code that says so.

use std::fmt;

/// Every message names the command and what to do about it.
#[derive(Debug)]
pub enum Error {
    /// A command failed, or the machine is not as it should be. Exit code 1.
    Failed(String),
    /// The command line is wrong. Exit code 2.
    Usage(String),
    /// Something is missing that this program may not or cannot install itself. Exit code 3.
    ByHand(String),
}

impl Error {
    /// The exit code of the program, as `--help` lists them.
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
