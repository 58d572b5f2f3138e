//! Layers that both towers are made of, on burn tensors.

mod linear;
mod norm;
mod quantized;

pub use linear::{Linear, Stacked};
pub use norm::{LayerNorm, RmsNorm};
pub use quantized::{Bits, DeviceBits, QuantizedMatrix, QuantizedPiece};
