//! What `inf-llava` does without tensors: it compiles in seconds, and its tests run in seconds.
//!
//! All that reads files and untrusted input is here: [`image`] (decode, pad, resize), [`text`] (prompts, tokenizers),
//! [`config`] and [`weights`] (what a model is), [`hub`] (downloads are a feature), [`openai`] (requests and replies),
//! [`dataset`] (training data); beside it [`spec`] (the shapes of a model's parts), [`quant`] (weights in 4 and 8 bits) and
//! [`generate`] (from logits to an answer). The crate `inf-llava` has all of these under the same names.

pub mod config;
pub mod dataset;
pub mod durable;
pub mod error;
pub mod files;
pub mod foreign;
pub mod generate;
pub mod hub;
pub mod image;
pub mod known;
pub mod openai;
pub mod platform;
pub mod printable;
pub mod progress;
pub mod quant;
pub mod reply;
pub mod request;
pub mod sequence;
pub mod spec;
pub mod text;
#[cfg(test)]
mod typescript;
pub mod weights;

pub use error::{Error, Result};
