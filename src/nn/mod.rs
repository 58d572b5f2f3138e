//! Layers that both towers are made of, on burn tensors.

mod linear;
mod norm;

pub use linear::Linear;
pub use norm::{LayerNorm, RmsNorm};
