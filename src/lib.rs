//! INF-LLaVA (arXiv 2407.16198) in Rust: a picture and a question in, streamed text out, natively
//! and in the browser.
//!
//! ```no_run
#![doc = include_str!("../examples/chat.rs")]
//! ```
//!
//! [`engine`] is the interface for programs: a model on its own thread, and handles that ask it
//! from any thread. It needs only the feature `model`: `default-features = false, features =
//! ["model"]`. The default features add the command line, training, and their dependencies. The
//! rest of this page is about the parts.
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
//! [`session`] is a conversation. [`dataset`] reads training data, [`evaluate`] scores answers.
//! Without the feature `model`, only the code that reads files and untrusted input is built.
//! `scenes` (also a feature) draws pictures with questions and answers, for training and
//! evaluation.

pub mod config;
pub mod durable;
pub mod error;
pub mod files;
pub mod foreign;
pub mod platform;
pub mod printable;
pub mod quant;
pub mod sequence;
pub mod spec;

pub mod image;
#[cfg(feature = "model")]
pub mod vision;

pub mod text;

pub mod dataset;
pub mod evaluate;

#[cfg(feature = "model")]
pub mod language;

pub mod generate;
pub mod openai;
pub mod request;

#[cfg(feature = "model")]
pub mod bench;
#[cfg(all(feature = "model", not(target_arch = "wasm32")))]
pub mod engine;
#[cfg(feature = "model")]
pub mod load;
#[cfg(feature = "model")]
pub mod model;
#[cfg(feature = "model")]
pub mod parity;
pub mod progress;
#[cfg(feature = "model")]
pub mod recorder;
#[cfg(feature = "model")]
pub mod session;

#[cfg(feature = "model")]
pub mod nn;

#[cfg(feature = "scenes")]
pub mod scenes;
#[cfg(feature = "train")]
pub mod train;

#[cfg(feature = "hub")]
pub mod hub;
pub mod weights;

#[cfg(feature = "model")]
pub mod gpu;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(all(feature = "model", target_arch = "wasm32"))]
pub mod web;

#[cfg(all(test, feature = "model"))]
mod typescript;

pub use error::{Error, Result};
