//! What the system under the program gives: clocks, chance, turns for other tasks, and what was remembered of an adapter. Natively
//! and in the browser's worker by the same names, so that nothing above knows which it is.

#[cfg(not(target_arch = "wasm32"))]
mod native;
mod timer;
#[cfg(target_arch = "wasm32")]
mod worker;

#[cfg(not(target_arch = "wasm32"))]
pub use native::{recall, remember};
pub use timer::Timer;
pub use timer::since_1970;
#[cfg(target_arch = "wasm32")]
pub use worker::{adapter_name, browser_version, recall, remember};

/// Lets the worker handle its other messages. Natively there are none.
pub async fn next_task() {
    #[cfg(target_arch = "wasm32")]
    worker::next_task().await;
}

/// Bits that are others at every call, as a seed that nobody chose.
pub fn random_bits() -> u64 {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(())
    }
    // There the standard library's state is the same every time. Where the browser gives none, the clock must do.
    #[cfg(target_arch = "wasm32")]
    getrandom::u64().unwrap_or_else(|_| since_1970().as_nanos() as u64)
}
