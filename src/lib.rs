//! INF-LLaVA (arXiv 2407.16198) in Rust: a picture and a question in, streamed text out, natively
//! and in the browser.
//!
//! ```no_run
#![doc = include_str!("../examples/chat.rs")]
//! ```
//!
//! [`engine`] is the interface for programs: a model on its own thread, and handles that ask it
//! from any thread. It needs none of the features: `default-features = false`. The rest of this
//! page is about the parts.
//!
//! The data flows through the modules in this order:
//!
//! ```text
//! bytes -> image (decode, pad, resize) -> vision (crop, clip, enhance, merge, project) -.
//! text  -> text (prompt as ids) -----------------------------------------------------> language
//!                                  text <- generate (filter, sample) <- logits <--------'
//! ```
//!
//! [`config`] and [`weights`] define the model, [`gpu`] has its performance-critical operations,
//! [`session`] is a conversation. What needs no tensors is the crate `inf_llava_core`, all of which
//! is found here as well. The command line, training and evaluation are the crate `inf_llava_cli`.

pub use inf_llava_core::{
    Error, Result, config, dataset, durable, error, files, foreign, generate, hub, image, known,
    openai, platform, printable, progress, quant, reply, request, sequence, spec, text, weights,
};

pub mod bench;
#[cfg(feature = "demo")]
pub mod demo;
#[cfg(not(target_arch = "wasm32"))]
pub mod engine;
pub mod gpu;
pub mod language;
pub mod load;
pub mod model;
pub mod nn;
pub mod parity;
pub mod recorder;
pub mod session;
pub mod vision;
#[cfg(target_arch = "wasm32")]
pub mod web;

/// Whose software the program and the page are made of, with the licences.
pub const THIRD_PARTY: &str = include_str!("../THIRD-PARTY.txt");
