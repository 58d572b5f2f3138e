//! From logits to an answer: an id at a time, until something ends it.
//!
//! In: `[vocab]` logits, and what is wanted. Out: ids and text. It must not know where logits come
//! from. The filters are Hugging Face's, in its order, so that its settings mean the same here.

pub mod constraint;
pub mod filter;
pub mod generation;
mod sampler;
mod sampling;
pub mod stop_texts;

pub use sampler::Sampler;
pub use sampling::{Sampling, default_temperature};
