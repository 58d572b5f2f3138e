//! What a person sees while waiting: progress bars on a terminal's stderr, nothing elsewhere. And
//! Ctrl-C, which stops what runs. What is typed meanwhile is not shown among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::{Event, Phase, StopFlag};

/// A progress bar that appears with the first report. indicatif draws on terminals only.
pub struct Progress(ProgressBar);

impl Progress {
    /// Nothing drawn yet.
    pub fn new() -> Self {
        Progress(ProgressBar::new(0))
    }

    /// Draws a report of progress; other events are not its business.
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

    /// Takes the bar away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}

/// Ctrl-C: the first press stops the work that runs, the next one (or one at a prompt) the program.
pub struct Interrupt {
    /// Set by Ctrl-C.
    pub stop: StopFlag,
    working: Arc<AtomicBool>,
}

impl Interrupt {
    /// Takes over Ctrl-C. Work is assumed to be running.
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

    /// Whether a Ctrl-C now stops work (and not the program).
    pub fn set_working(&self, working: bool) {
        self.stop.clear();
        self.working.store(working, Ordering::Relaxed);
    }
}

/// As long as it is there the terminal does not show what is typed: between bars that are drawn anew it would leave
/// pieces of them behind. It is read, and shown, when its turn comes.
pub struct Muted(());

impl Muted {
    /// From now on.
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

/// Lets the terminal be as it was, before the program ends by other ways than the end of what is called.
pub fn show_typing() {
    typing::show();
}

#[cfg(unix)]
mod typing {
    use std::io::stdin;
    use std::sync::{Mutex, PoisonError};

    use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

    /// How the terminal was.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub(super) fn hide() {
        let Ok(before) = tcgetattr(stdin()) else {
            return;
        };
        let mut muted = before.clone();
        // Not by lines either: a Ctrl-D is one key among the others then, and not lost before whoever reads them.
        muted
            .local_flags
            .remove(LocalFlags::ECHO | LocalFlags::ICANON);
        // A terminal that cannot is as it was.
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

/// Elsewhere lines are edited while they are awaited only, and nothing is shown meanwhile.
#[cfg(not(unix))]
mod typing {
    pub(super) fn hide() {}
    pub(super) fn show() {}
}
