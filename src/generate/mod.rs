//! From the language model's logits to the next id.
//!
//! In: `[vocab]` logits and the ids seen so far. Out: one id. It must not know where logits come
//! from. The filters are Hugging Face's, in its order, so that its settings mean the same here.

pub mod filter;
mod sampler;
mod sampling;

pub use sampler::Sampler;
pub use sampling::Sampling;
