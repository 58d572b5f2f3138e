//! How good answers are: exact match for the drawn scenes, yes and no for POPE.
//!
//! In: answers as text, and what they should have been. Out: reports, as JSON and as small tables.
//! It must not know of tensors, nor of where an answer comes from.

pub mod pope;
pub mod score;

pub use pope::Pope;
pub use score::{Report, Score, Tally};
