//! A clock that also runs in the browser, where `std::time::Instant` panics.

use web_time::Instant;

/// Started once, read as often as wanted.
#[derive(Debug, Clone, Copy)]
pub struct Timer(Instant);

impl Timer {
    /// Starts now.
    pub fn start() -> Self {
        Timer(Instant::now())
    }

    /// Milliseconds since the start.
    pub fn elapsed_ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}
