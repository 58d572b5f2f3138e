//! The layers that models are built from, on burn tensors.

mod embedding;
mod linear;
mod norm;

pub use embedding::Embedding;
pub use linear::{Linear, Stacked};
pub use norm::{LayerNorm, RmsNorm};
