//! Progress reports of a long computation, and how to stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::platform;

/// A part of the work that takes long enough to be shown.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "EnginePhase"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading the weights; counted in bytes as stored.
    Weights,
    /// Running the vision tower; counted in its passes.
    Vision,
    /// Processing the prompt; counted in its tokens.
    Prefill,
    /// Downloading from a hub; counted in bytes.
    Download,
    /// Writing a converted model; counted in bytes.
    Conversion,
    /// Verifying a converted model; counted in bytes.
    Verification,
}

/// One report.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "EngineEvent"))]
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// Progress of a phase: `done` of `total`, both in the phase's unit.
    Progress {
        /// The phase.
        phase: Phase,
        /// Amount done; equals `total` at the end.
        done: u64,
        /// Total amount.
        total: u64,
    },
    /// The next part of the answer.
    Piece {
        /// Complete UTF-8 characters; empty if the token does not complete one.
        text: String,
        /// The token; `None` for text that was held back until the end.
        id: Option<u32>,
    },
}

/// A flag to stop a computation; it can be shared and set at any time.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks all holders of a clone to stop as soon as possible.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`StopFlag::stop`] was called.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Resets the flag.
    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// # Errors
    /// [`Error::Stopped`] if the flag is set.
    pub fn check(&self) -> Result<()> {
        if self.is_set() {
            Err(Error::Stopped)
        } else {
            Ok(())
        }
    }
}

/// An observer of a computation, which receives its events and may stop it.
pub struct Watch<'a> {
    on_event: Box<dyn FnMut(Event) + 'a>,
    /// Checked between steps of the work.
    pub stop: StopFlag,
}

impl<'a> Watch<'a> {
    /// An observer that passes events to `on_event`.
    pub fn new(stop: StopFlag, on_event: impl FnMut(Event) + 'a) -> Self {
        Watch {
            on_event: Box::new(on_event),
            stop,
        }
    }

    /// No observer: events are discarded, and nothing stops the computation.
    pub fn nobody() -> Watch<'static> {
        Watch::new(StopFlag::default(), |_| {})
    }

    /// Reports the progress of a phase.
    pub fn progress(&mut self, phase: Phase, done: u64, total: u64) {
        (self.on_event)(Event::Progress { phase, done, total });
    }

    /// Passes on the next part of the answer, and its token.
    pub fn piece(&mut self, text: String, id: Option<u32>) {
        if !text.is_empty() || id.is_some() {
            (self.on_event)(Event::Piece { text, id });
        }
    }

    /// Lets pending messages be handled (a stop among them), then checks the flag.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn breathe(&mut self) -> Result<()> {
        platform::next_task().await;
        self.stop.check()
    }
}
