//! How good answers are: exact match for the drawn scenes and what is right of descriptions of them, yes and no for POPE.
//!
//! In: answers as text, and what they should have been. Out: reports, as JSON and as small tables.
//! Only [`run`] knows where an answer comes from.

#[cfg(feature = "scenes")]
pub mod descriptions;
pub mod pope;
#[cfg(all(feature = "model", feature = "scenes"))]
pub mod run;
pub mod score;

#[cfg(feature = "scenes")]
pub use descriptions::Descriptions;
pub use pope::Pope;
pub use score::{Report, Score, Tally};
