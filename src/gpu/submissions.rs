//! The submissions of a device: how its launches are cut ([`super::pace`]), when what is launched is submitted, and how long
//! that took, while somebody times it.

use std::cell::RefCell;

use burn::tensor::Device;

use super::adapter;
use super::pace::{Pace, Part, Speeds, Work};
use crate::platform::Timer;

/// Takes up what was measured of `device`.
pub fn set_speeds(device: &Device, speeds: Speeds) {
    adapter::change(device, |adapter| adapter.pace = Pace::of(speeds));
}

/// [`Pace::parts`] of `device`, or as [`trace`] wants it.
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

/// Something on `device` was read.
pub(crate) fn observe(device: &Device) {
    adapter::change(device, |adapter| {
        if let Some(since) = adapter.pace.unread {
            adapter.pace.observe(since.elapsed_ms());
        }
    });
}

/// When what is launched is submitted while submissions are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// By what was measured, as always.
    Measured,
    /// After so many launches, uncut: as it is without this.
    Launches(u32),
}

/// Submissions of this thread, while they are timed: each is waited for.
struct Trace {
    rule: Rule,
    launched: u32,
    /// Since the first launch of the submission to come, and how to submit it.
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

/// Milliseconds of each submission since [`trace`], from its first launch until the device has done it all.
pub fn traced() -> Vec<f64> {
    TRACE.take().map(|trace| trace.ms).unwrap_or_default()
}

/// A launch follows; `flush` makes what submits it.
pub(super) fn note_launch(flush: impl FnOnce() -> Box<dyn Fn()>) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.begun.get_or_insert_with(|| (Timer::start(), flush()));
        }
    });
}

/// Waits for what is launched, if submissions are timed: it is submitted now.
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
