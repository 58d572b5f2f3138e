//! What a long computation says while it runs, and how it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::platform;

/// A part of the work that takes long enough to be shown.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "EnginePhase"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reading the weights; counted in bytes, as they are stored.
    Weights,
    /// Looking at the picture; counted in passes of the vision tower.
    Vision,
    /// Reading the question; counted in tokens of the prompt.
    Prefill,
    /// Downloading from a hub; counted in bytes.
    Download,
    /// Writing a converted model; counted in bytes.
    Conversion,
    /// Reading what was converted; counted in bytes.
    Verification,
}

/// One report.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "EngineEvent"))]
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Event {
    /// `done` of `total` of a phase, both in the phase's unit.
    Progress {
        /// Which phase.
        phase: Phase,
        /// So far; `total` at the end.
        done: u64,
        /// In all.
        total: u64,
    },
    /// The next characters of the answer.
    Piece {
        /// UTF-8, whole characters; empty where the token ends none.
        text: String,
        /// The token; none for what was still to be said at the end.
        id: Option<u32>,
    },
}

/// Set by the user to stop; may be shared and set at any moment.
#[derive(Debug, Clone, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks whoever holds a clone to stop at the next opportunity.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`StopFlag::stop`] was called.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets an earlier stop.
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

/// Who watches a computation: gets its events, may stop it.
pub struct Watch<'a> {
    on_event: Box<dyn FnMut(Event) + 'a>,
    /// Checked between the parts of the work.
    pub stop: StopFlag,
}

impl<'a> Watch<'a> {
    /// Events go to `on_event`.
    pub fn new(stop: StopFlag, on_event: impl FnMut(Event) + 'a) -> Self {
        Watch {
            on_event: Box::new(on_event),
            stop,
        }
    }

    /// Nobody watches, nobody stops it.
    pub fn nobody() -> Watch<'static> {
        Watch::new(StopFlag::default(), |_| {})
    }

    /// Reports how far a phase is.
    pub fn progress(&mut self, phase: Phase, done: u64, total: u64) {
        (self.on_event)(Event::Progress { phase, done, total });
    }

    /// Hands on the next characters of the answer, and the token that they came with.
    pub fn piece(&mut self, text: String, id: Option<u32>) {
        if !text.is_empty() || id.is_some() {
            (self.on_event)(Event::Piece { text, id });
        }
    }

    /// Lets messages in (a Stop among them), then checks the flag.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    pub async fn breathe(&mut self) -> Result<()> {
        platform::next_task().await;
        self.stop.check()
    }
}
