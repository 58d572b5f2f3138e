//! Scores answers: exact match for generated scenes, the correctness of their descriptions, and yes/no for POPE.
//!
//! In: answers as text, and the expected answers. Out: reports, as JSON and as small tables. Only [`run`] knows where
//! answers come from.

pub mod descriptions;
pub mod pope;
pub mod run;
pub mod score;

pub use descriptions::Descriptions;
pub use pope::Pope;
pub use score::{Report, Score, Tally};
