//! From logits to an answer, one id at a time.
//!
//! In: `[vocab]` logits, and settings. Out: ids and text. It must not depend on how logits are computed. The filters
//! are Hugging Face's, in its order, so that its settings have the same meaning here.

pub mod constraint;
pub mod filter;
pub mod generation;
mod sampler;
mod sampling;
pub mod stop_texts;

pub use sampler::Sampler;
pub use sampling::{Sampling, default_temperature};
