//! Weights: from files or a server to tensors on a device.
//! source (a folder, HTTP) -> checkpoint (index, headers, checks) -> build (modules).

pub mod arrange;
pub mod checkpoint;
#[cfg(all(feature = "convert", not(target_arch = "wasm32")))]
pub mod convert;
pub mod manifest;
pub mod names;
pub mod quantize;
pub mod source;
#[cfg(all(feature = "convert", not(target_arch = "wasm32")))]
pub mod verify;

#[cfg(feature = "model")]
pub mod build;
