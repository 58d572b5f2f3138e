//! Models on the Hugging Face hub. A program downloads them to the cache of Python's tools ([`Hub`]), and continues what was
//! interrupted; a page reads them where they are ([`page`]).
//!
//! In: a repository and its revision. Out: a folder of files, or their addresses. The hub, and any server in its place (a mirror,
//! a proxy, a redirect's target), is untrusted: it can send a wrong file, but it must not be able
//! to choose where files are written, obtain the token of another server, or use more memory and
//! disk than a model needs. This module must not know what the files contain.

#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod cache;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod client;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod content;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod download;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod environment;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod fetch;
mod list;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod names;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod origin;
pub mod page;
mod pasted;
mod plain;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod refusal;
mod repository;
mod secret;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
mod token;
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
pub mod told;

#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
pub use download::{Download, Found, Hub};
#[cfg(all(feature = "hub", not(target_arch = "wasm32")))]
pub use environment::Settings;
pub use list::{List, ListedFile, Weights};
pub use pasted::repository;
pub use repository::{Repository, is_repository};
