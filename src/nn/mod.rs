//! Layers that both towers are made of, on burn tensors.

mod linear;
mod norm;

pub use linear::{Linear, Stacked};
pub use norm::{LayerNorm, RmsNorm};
