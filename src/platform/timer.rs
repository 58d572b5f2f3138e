//! A clock that also runs in the browser, where `std::time::Instant` panics.

/// Started once, read as often as wanted.
#[derive(Debug, Clone, Copy)]
pub struct Timer {
    #[cfg(not(target_arch = "wasm32"))]
    start: std::time::Instant,
    #[cfg(target_arch = "wasm32")]
    start: f64,
}

impl Timer {
    /// Starts now.
    pub fn start() -> Self {
        Timer {
            #[cfg(not(target_arch = "wasm32"))]
            start: std::time::Instant::now(),
            #[cfg(target_arch = "wasm32")]
            start: super::worker::now_ms(),
        }
    }

    /// Milliseconds since the start.
    pub fn elapsed_ms(&self) -> f64 {
        #[cfg(not(target_arch = "wasm32"))]
        return self.start.elapsed().as_secs_f64() * 1000.0;
        #[cfg(target_arch = "wasm32")]
        return super::worker::now_ms() - self.start;
    }
}
