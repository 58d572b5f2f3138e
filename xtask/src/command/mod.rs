//! Runs other programs: with output shown, with tests counted, with output captured, or condensed
//! to one line.

mod condensed;

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use crate::counts::Counts;
use crate::error::Error;

/// A program, its arguments, and additional environment variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    program: String,
    args: Vec<String>,
    envs: Vec<(String, String)>,
    dir: Option<PathBuf>,
    /// Folders put before PATH; kept apart from `envs` so that the echoed line stays readable.
    path_first: Vec<PathBuf>,
}

impl Command {
    /// Splits a command line at its spaces, for arguments that contain none.
    pub fn line(line: &str) -> Self {
        let mut words = line.split_whitespace().map(str::to_owned);
        Self {
            program: words.next().unwrap_or_default(),
            args: words.collect(),
            envs: Vec::new(),
            dir: None,
            path_first: Vec::new(),
        }
    }

    /// A program given by its path, which may contain any characters.
    pub fn program(path: &Path) -> Self {
        Self {
            program: path.display().to_string(),
            ..Self::line("")
        }
    }

    /// Adds one argument, unchanged.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments, unchanged.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.envs.push((name.to_owned(), value.into()));
        self
    }

    /// Sets several environment variables.
    pub fn envs(mut self, envs: &[(String, String)]) -> Self {
        self.envs.extend_from_slice(envs);
        self
    }

    /// Sets the working folder.
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_path_buf());
        self
    }

    /// Adds folders to search before PATH.
    pub fn path_first(mut self, dirs: &[PathBuf]) -> Self {
        self.path_first.extend_from_slice(dirs);
        self
    }

    /// Prints the command as a user would type it, and runs it with its output on the terminal.
    pub fn run(&self) -> Result<(), Error> {
        println!("$ {self}");
        let status = self
            .build()
            .stdin(Stdio::null())
            .status()
            .map_err(|e| self.not_started(&e))?;
        self.check(status)
    }

    /// Like [`run`](Self::run), and counts tests by the test runners' summary lines.
    pub fn run_counted(&self) -> Result<Counts, (Error, Counts)> {
        println!("$ {self}");
        let none = Counts::default();
        let mut child = self
            .build()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| (self.not_started(&e), none))?;
        let output = child.stdout.take().map(show_and_keep).unwrap_or_default();
        let counts = Counts::from_output(&String::from_utf8_lossy(&output));
        let status = child.wait().map_err(|e| (self.not_started(&e), counts))?;
        self.check(status)
            .map(|()| counts)
            .map_err(|error| (error, counts))
    }

    /// Like [`run`](Self::run), but returns its standard output instead of showing it.
    pub fn run_for_text(&self) -> Result<String, Error> {
        println!("$ {self}");
        let output = self
            .build()
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| self.not_started(&e))?;
        self.check(output.status)?;
        String::from_utf8(output.stdout)
            .map_err(|_| Error::Failed(format!("`{self}` printed what is no UTF-8")))
    }

    /// Runs it without showing its output; returns its standard output, whether or not it failed.
    pub fn run_for_report(&self) -> Result<String, Error> {
        println!("$ {self}");
        let output = self
            .build()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(|e| self.not_started(&e))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Its standard output, or `None` if it fails or does not exist.
    pub fn output(&self) -> Option<String> {
        let output = self
            .build()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The command for the standard library.
    pub fn build(&self) -> std::process::Command {
        // On Windows npm is a script, which is found only by its full name.
        let program = match self.program.as_str() {
            "npm" if cfg!(windows) => "npm.cmd",
            other => other,
        };
        let mut command = std::process::Command::new(program);
        command.args(&self.args);
        // `cargo run` sets variables about xtask's own package, which builds of other crates must
        // not see.
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|n| n.starts_with("CARGO_PKG_") || n.starts_with("CARGO_MANIFEST_"))
            {
                command.env_remove(name);
            }
        }
        if !self.path_first.is_empty() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let dirs = self
                .path_first
                .iter()
                .cloned()
                .chain(std::env::split_paths(&path));
            if let Ok(joined) = std::env::join_paths(dirs) {
                command.env("PATH", joined);
            }
        }
        command.envs(self.envs.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn check(&self, status: ExitStatus) -> Result<(), Error> {
        if status.success() {
            return Ok(());
        }
        let how = match status.code() {
            Some(code) => format!("exited with {code}"),
            None => "was ended by a signal".to_owned(),
        };
        Err(Error::Failed(format!("`{self}` {how}")))
    }

    fn not_started(&self, error: &std::io::Error) -> Error {
        Error::Failed(format!(
            "cannot run `{}`: {error}. Is it installed and on PATH?",
            self.program
        ))
    }
}

/// The command as a user would type it in a shell.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.envs {
            write!(f, "{name}={} ", quoted(value))?;
        }
        f.write_str(&quoted(&self.program))?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// A word for a shell: unchanged, in quotes, or with its control characters escaped (in bash's
/// syntax).
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(char::is_control) {
        let spelled = word.chars().map(|c| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        });
        format!("$'{}'", spelled.collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Copies a child's output to the terminal as it arrives, and returns all of it.
fn show_and_keep(mut pipe: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut piece) {
        let mut out = std::io::stdout().lock();
        // The child continues even if its output cannot be shown.
        let _ = out.write_all(&piece[..length]).and_then(|()| out.flush());
        kept.extend_from_slice(&piece[..length]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let command = Command::line("cargo doc --no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .arg("it's");
        assert_eq!(
            command.to_string(),
            r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s'"
        );
    }

    #[test]
    fn a_word_stays_one_word_on_one_line() {
        assert_eq!(quoted("a/b-c=1"), "a/b-c=1");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("it's\n\u{8}"), r"$'it\'s\u000a\u0008'");
    }

    #[test]
    fn a_failure_names_the_command() {
        let result = Command::line("rustc --no-such-flag").run();
        assert!(result.is_err_and(|e| e.to_string() == "`rustc --no-such-flag` exited with 1"));
        let result = Command::line("no-such-program-here x").run();
        assert!(result.is_err_and(|e| e.to_string().contains("no-such-program-here")));
    }
}
