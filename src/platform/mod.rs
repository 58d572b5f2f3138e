//! What the system under the program gives: a clock, turns for other tasks, and what was remembered of an adapter. Natively
//! and in the browser's worker by the same names, so that nothing above knows which it is.

#[cfg(all(feature = "model", not(target_arch = "wasm32")))]
mod native;
mod timer;
#[cfg(all(feature = "model", target_arch = "wasm32"))]
mod worker;

#[cfg(all(feature = "model", not(target_arch = "wasm32")))]
pub(crate) use native::{recall, remember};
pub use timer::Timer;
#[cfg(all(feature = "model", target_arch = "wasm32"))]
pub(crate) use worker::{adapter_name, browser_version, recall, remember};

/// Lets the worker's other messages in. Natively there are none.
pub(crate) async fn next_task() {
    #[cfg(all(feature = "model", target_arch = "wasm32"))]
    worker::next_task().await;
}
