//! Weights: from files or a server to named tensors, from which `load` builds modules.
//! source (a folder, HTTP) -> checkpoint (index, headers, checks) -> tensors;
//! checkpoint -> arrange, shards, convert -> a converted model; manifest, converted -> tensors.

pub mod about;
pub mod arrange;
pub mod checkpoint;
#[cfg(all(feature = "convert", not(target_arch = "wasm32")))]
pub mod convert;
pub mod converted;
#[cfg(not(target_arch = "wasm32"))]
pub mod folder;
mod header;
#[cfg(all(feature = "convert", not(target_arch = "wasm32")))]
pub mod identity;
pub mod manifest;
#[cfg(not(target_arch = "wasm32"))]
pub mod maps;
#[cfg(not(target_arch = "wasm32"))]
pub mod missing;
mod others;
pub mod pickle;
#[cfg(all(feature = "convert", not(target_arch = "wasm32")))]
pub mod pytorch;
pub mod remote;
pub mod settings;
pub mod shards;
pub mod source;
pub mod spelling;
pub mod stored_rows;
pub mod tensors;
pub mod unread;
#[cfg(all(feature = "convert", not(target_arch = "wasm32")))]
pub mod verify;
