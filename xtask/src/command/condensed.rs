//! Runs long commands with much output (installations): the output goes to a log, and one line of
//! progress to the terminal.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::Command;
use crate::error::Error;

/// How many of a failed command's last lines are shown.
const TAIL_LINES: usize = 30;

impl Command {
    /// Runs the command with its output in `log` and one line of progress on the terminal; kills it
    /// after `limit`.
    pub fn run_condensed(&self, log: &Path, limit: Duration) -> Result<(), Error> {
        println!("    $ {self}");
        let mut log_file = create(log)?;
        let mut child = self
            .build()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| self.not_started(&e))?;
        let (sender, lines) = mpsc::channel();
        let readers = [
            child
                .stdout
                .take()
                .map(|pipe| send_lines(pipe, sender.clone())),
            child.stderr.take().map(|pipe| send_lines(pipe, sender)),
        ];
        let started = Instant::now();
        let mut progress = Progress::new();
        let mut tail: Vec<String> = Vec::new();
        loop {
            match lines.recv_timeout(Duration::from_millis(250)) {
                Ok(line) => {
                    // A full disk must not end an installation; the log is for later reading only.
                    let _ = writeln!(log_file, "{line}");
                    progress.show(started, &line);
                    tail.push(line);
                    if tail.len() > TAIL_LINES {
                        tail.remove(0);
                    }
                }
                Err(RecvTimeoutError::Timeout) => progress.show(started, ""),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if started.elapsed() > limit {
                end(&mut child);
                progress.clear();
                return Err(Error::Failed(format!(
                    "`{self}` gave no result in {} s",
                    limit.as_secs()
                )));
            }
        }
        for reader in readers.into_iter().flatten() {
            // A reader ends early only if its pipe broke; the exit status reports any failure.
            let _ = reader.join();
        }
        progress.clear();
        let status = child.wait().map_err(|e| self.not_started(&e))?;
        self.check(status).map_err(|error| {
            let tail = tail.join("\n      ");
            Error::Failed(format!(
                "{error}. Its last lines (the rest is in {}):\n      {tail}",
                log.display()
            ))
        })
    }
}

fn send_lines(pipe: impl Read + Send + 'static, to: Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if to
                .send(String::from_utf8_lossy(&line).trim_end().to_owned())
                .is_err()
            {
                break;
            }
        }
    })
}

fn create(log: &Path) -> Result<std::fs::File, Error> {
    let folder = log.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::File::create(log))
        .map_err(|error| Error::Failed(format!("cannot write {}: {error}", log.display())))
}

fn end(child: &mut Child) {
    // It may have exited in the meantime; then there is nothing to kill.
    let _ = child.kill();
    let _ = child.wait();
}

/// One line that is overwritten on a terminal; otherwise a line every now and then.
struct Progress {
    terminal: bool,
    last_line: String,
    next: Duration,
}

impl Progress {
    fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let first = if terminal {
            Duration::from_millis(300)
        } else {
            Duration::from_secs(20)
        };
        Self {
            terminal,
            last_line: String::new(),
            next: first,
        }
    }

    fn show(&mut self, started: Instant, line: &str) {
        if !line.trim().is_empty() {
            self.last_line = line.trim().chars().take(70).collect();
        }
        let elapsed = started.elapsed();
        if elapsed < self.next {
            return;
        }
        if self.terminal {
            self.next = elapsed + Duration::from_millis(200);
            print!("\r\x1b[K    … {} s  {}", elapsed.as_secs(), self.last_line);
        } else {
            self.next = elapsed + Duration::from_secs(20);
            println!("    … {} s  {}", elapsed.as_secs(), self.last_line);
        }
        // A closed terminal must not end the work.
        let _ = std::io::stdout().flush();
    }

    fn clear(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_hangs_is_ended() {
        let log = std::env::temp_dir().join(format!("xtask-test-{}.log", std::process::id()));
        let started = Instant::now();
        let sleep = if cfg!(windows) {
            "ping -n 60 127.0.0.1"
        } else {
            "sleep 60"
        };
        let result = Command::line(sleep).run_condensed(&log, Duration::from_millis(300));
        assert!(result.is_err_and(|e| e.to_string().contains("gave no result")));
        assert!(started.elapsed() < Duration::from_secs(10));
        let _ = std::fs::remove_file(log);
    }
}
