//! How good answers are: exact match for the drawn scenes, yes and no for POPE.
//!
//! In: answers as text, and what they should have been. Out: reports, as JSON and as small tables.
//! Only [`run`] knows where an answer comes from.

pub mod pope;
#[cfg(all(feature = "model", feature = "scenes"))]
pub mod run;
pub mod score;

pub use pope::Pope;
pub use score::{Report, Score, Tally};
