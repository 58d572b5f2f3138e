//! Clocks that also run in the browser, where those of `std::time` panic.

use std::time::Duration;

use web_time::{Instant, SystemTime, UNIX_EPOCH};

/// The time of day; none if the clock is wrong by decades.
pub fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// A stopwatch.
#[derive(Debug, Clone, Copy)]
pub struct Timer(Instant);

impl Timer {
    /// Starts the stopwatch.
    pub fn start() -> Self {
        Timer(Instant::now())
    }

    /// Milliseconds since the start.
    pub fn elapsed_ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}
