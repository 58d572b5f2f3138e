//! The submissions of a device: how its launches are split ([`super::pace`]), when they are submitted, and, while
//! tracing, how long each submission takes.

use std::cell::RefCell;

use burn::tensor::Device;

use super::adapter;
use super::pace::{Pace, Part, Speeds, Work};
use crate::platform::Timer;

/// Sets the measured speeds of `device`.
pub fn set_speeds(device: &Device, speeds: Speeds) {
    adapter::change(device, |adapter| adapter.pace = Pace::of(speeds));
}

/// [`Pace::parts`] of `device`; a single part if [`trace`] is measuring with [`Rule::Launches`].
pub(super) fn parts(
    device: &Device,
    work: Work,
    multiply_adds: f64,
    groups: [u32; 2],
) -> Vec<Part> {
    let counted = TRACE.with_borrow_mut(|trace| {
        let Some(Trace {
            rule: Rule::Launches(count),
            launched,
            ..
        }) = trace
        else {
            return None;
        };
        *launched += 1;
        let submit_before = *launched % *count == 1;
        Some(vec![Part {
            first: [0, 0],
            count: groups,
            submit_before,
        }])
    });
    counted.unwrap_or_else(|| {
        let mut parts = Vec::new();
        adapter::change(device, |adapter| {
            parts = adapter.pace.parts(work, multiply_adds, groups);
        });
        parts
    })
}

/// Records that a result was read from `device`, and so that its launches have finished.
pub(crate) fn observe(device: &Device) {
    adapter::change(device, |adapter| {
        if let Some(since) = adapter.pace.unread {
            adapter.pace.observe(since.elapsed_ms());
        }
    });
}

/// When launches are submitted while submissions are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// According to the measured speed, as in normal use.
    Measured,
    /// After this many launches, none of them split: the behaviour without pacing.
    Launches(u32),
}

/// The timed submissions of this thread; the thread waits for each.
struct Trace {
    rule: Rule,
    launched: u32,
    /// A timer started at the first launch of the next submission, and how to submit it.
    begun: Option<(Timer, Box<dyn Fn()>)>,
    ms: Vec<f64>,
}

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// Times the submissions of this thread from now on, until [`traced`].
pub fn trace(rule: Rule) {
    TRACE.set(Some(Trace {
        rule,
        launched: 0,
        begun: None,
        ms: Vec::new(),
    }));
}

/// Milliseconds of each submission since [`trace`], from its first launch until the device has finished.
pub fn traced() -> Vec<f64> {
    TRACE.take().map(|trace| trace.ms).unwrap_or_default()
}

/// Records that a launch follows; `flush` returns a function that submits it.
pub(super) fn note_launch(flush: impl FnOnce() -> Box<dyn Fn()>) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.begun.get_or_insert_with(|| (Timer::start(), flush()));
        }
    });
}

/// If submissions are timed: submits the pending launches and waits for them.
pub(crate) fn end_submission(device: &Device) {
    let begun = TRACE.with_borrow_mut(|trace| trace.as_mut()?.begun.take());
    let Some((timer, flush)) = begun else {
        return;
    };
    flush();
    adapter::wait_for(device);
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.ms.push(timer.elapsed_ms());
        }
    });
}
