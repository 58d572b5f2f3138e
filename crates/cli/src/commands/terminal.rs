//! Feedback while a user waits: progress bars on stderr if it is a terminal. Also handles Ctrl-C,
//! which stops the running work, and hides input that is typed meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use inf_llava::progress::{Event, Phase, StopFlag};

/// A progress bar that appears with the first report. indicatif draws on terminals only.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar that is not drawn yet.
    pub fn new() -> Self {
        Progress(ProgressBar::new(0))
    }

    /// Draws a progress report; ignores other events.
    pub fn show(&self, event: &Event) {
        let Event::Progress { phase, done, total } = event else {
            return;
        };
        let template = match phase {
            Phase::Weights => "Reading weights {wide_bar} {bytes}/{total_bytes}",
            Phase::Download => "Downloading {wide_bar} {bytes}/{total_bytes}, {eta} left",
            Phase::Conversion => "Converting {wide_bar} {bytes}/{total_bytes}, {eta} left",
            Phase::Verification => "Checking {wide_bar} {bytes}/{total_bytes}, {eta} left",
            Phase::Vision => "Looking at the picture {wide_bar} {percent} %",
            Phase::Prefill => "Reading the question {wide_bar} {percent} %",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(*total);
        self.0.set_position(*done);
        if done == total {
            self.clear();
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Handles Ctrl-C: the first press stops the running work, the next one (or one at a prompt) ends
/// the program.
pub struct Interrupt {
    /// Set by Ctrl-C.
    pub stop: StopFlag,
    working: Arc<AtomicBool>,
}

impl Interrupt {
    /// Installs the handler. Work is assumed to be running.
    pub fn new() -> anyhow::Result<Self> {
        let interrupt = Interrupt {
            stop: StopFlag::default(),
            working: Arc::new(AtomicBool::new(true)),
        };
        let (stop, working) = (interrupt.stop.clone(), interrupt.working.clone());
        ctrlc::set_handler(move || {
            if stop.is_set() || !working.load(Ordering::Relaxed) {
                show_typing();
                std::process::exit(130);
            }
            stop.stop();
        })
        .context("Ctrl-C cannot be handled")?;
        Ok(interrupt)
    }

    /// Sets whether Ctrl-C stops work instead of ending the program.
    pub fn set_working(&self, working: bool) {
        self.stop.clear();
        self.working.store(working, Ordering::Relaxed);
    }
}

/// While this exists, the terminal does not echo what is typed, which would leave fragments among
/// redrawn bars. The input is shown when it is read.
pub struct Muted(());

impl Muted {
    /// Turns the echo off.
    pub fn new() -> Self {
        typing::hide();
        Muted(())
    }
}

impl Drop for Muted {
    fn drop(&mut self) {
        show_typing();
    }
}

/// Restores the terminal, for ends of the program that do not unwind.
pub fn show_typing() {
    typing::show();
}

#[cfg(unix)]
mod typing {
    use std::io::stdin;
    use std::sync::{Mutex, PoisonError};

    use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

    /// The terminal's previous settings.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub(super) fn hide() {
        let Ok(before) = tcgetattr(stdin()) else {
            return;
        };
        let mut muted = before.clone();
        // Line mode is off too: Ctrl-D then is an ordinary key, and does not get lost before the
        // next read.
        muted
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON);
        // A terminal that does not support it stays unchanged.
        if tcsetattr(stdin(), SetArg::TCSANOW, &muted).is_ok() {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        }
    }

    pub(super) fn show() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            let _ = tcsetattr(stdin(), SetArg::TCSANOW, &before);
        }
    }
}

/// Other systems echo input only while a line is edited, so there is nothing to hide.
#[cfg(not(unix))]
mod typing {
    pub(super) fn hide() {}
    pub(super) fn show() {}
}
