//! Runs a program for what it writes: with limits on time and size, and so that it can be stopped.

use std::io::{self, ErrorKind, Read};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::progress::StopFlag;

/// Interval between looks at the stop flag, the clock and the program.
const GLANCE: Duration = Duration::from_millis(20);
/// How long to wait for messages of a program that has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What is kept of a program's messages.
const MOST_MESSAGE_BYTES: usize = 16 << 10;

/// What a program has done.
#[derive(Debug)]
pub(super) struct Done {
    /// Whether it says that it did what it was asked for.
    pub is_ok: bool,
    /// What it wrote.
    pub output: Vec<u8>,
    /// Its messages, the last ones if there are many.
    pub messages: String,
}

/// Why nothing came of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such program.
    Missing,
    /// The system cannot run it.
    Unable(io::Error),
    /// It wrote more than it may.
    TooMuch,
    /// It took longer than it may.
    TooLong,
    /// The user stopped it.
    Stopped,
}

/// A running program; it does not outlive this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `command`, which has nothing to read, until it ends, `until` is past, or `stop` is set; it may write
/// `most_bytes`. In the last two cases it is killed.
///
/// # Errors
/// [`Failure`].
pub(super) fn run(
    command: &mut Command,
    most_bytes: u64,
    until: Instant,
    stop: &StopFlag,
) -> Result<Done, Failure> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Ctrl-C in a terminal is for this program, which ends the other one.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::Missing,
        _ => Failure::Unable(error),
    })?;
    let mut running = Running(child);
    let (Some(output), Some(messages)) = (running.0.stdout.take(), running.0.stderr.take()) else {
        return Err(Failure::Unable(ErrorKind::BrokenPipe.into()));
    };
    let output = reading(move || all_of(output, most_bytes)).map_err(Failure::Unable)?;
    let messages = reading(move || last_of(messages)).map_err(Failure::Unable)?;
    let check = || match Instant::now() >= until {
        _ if stop.is_set() => Err(Failure::Stopped),
        true => Err(Failure::TooLong),
        false => Ok(()),
    };
    let output = loop {
        check()?;
        match output.recv_timeout(GLANCE) {
            Ok(output) => break output.map_err(Failure::Unable)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Unable(ErrorKind::BrokenPipe.into()));
            }
        }
    };
    let Some(output) = output else {
        return Err(Failure::TooMuch);
    };
    // It may write no more and go on.
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = running.0.try_wait().map_err(Failure::Unable)? {
            break status;
        }
        check()?;
        thread::sleep(pause);
        pause = GLANCE.min(2 * pause);
    };
    // A program that it began may still hold the pipe.
    let messages = messages.recv_timeout(LAST_WORDS).unwrap_or_default();
    Ok(Done {
        is_ok: status.success(),
        output,
        messages,
    })
}

/// What `read` gives, from a thread of its own: a pipe cannot be read with a time limit.
fn reading<T: Send + 'static>(
    read: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Receiver<T>> {
    let (sender, receiver) = channel();
    let thread = thread::Builder::new().name("ffmpeg".into());
    thread.spawn(move || {
        // After a stop nobody receives it.
        let _ = sender.send(read());
    })?;
    Ok(receiver)
}

/// All that is written; none if it is more than `most_bytes`.
fn all_of(output: ChildStdout, most_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    output
        .take(most_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most_bytes).then_some(bytes))
}

/// The last messages. All are read, since the program would wait otherwise.
fn last_of(mut messages: ChildStderr) -> String {
    let (mut last, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = messages.read(&mut part) {
        last.extend(&part[..count]);
        if last.len() > 2 * MOST_MESSAGE_BYTES {
            last.drain(..last.len() - MOST_MESSAGE_BYTES);
        }
    }
    String::from_utf8_lossy(&last).into_owned()
}
