//! What the processor computes of a model, by the instructions that it has: products with quantised matrices, attention to a
//! key/value cache, norms.
//!
//! In: slices. Out: the same. It must not know of tensors, files or models. Sums are taken in a fixed order, so that every
//! instruction set, and any number of threads, gives the same bits.

mod activations;
mod attention;
mod bits;
mod dot;
mod lanes;
mod many;
mod matrix;
mod norm;
mod pool;

pub use activations::Activations;
pub use attention::{Attention, Causal, Heads, attend, attend_many};
pub use dot::{Path, multiply};
pub use lanes::{gelu, gelu_tanh, quick_gelu, silu};
pub use many::{PANEL, Rows, multiply_many};
pub use matrix::{BLOCK, Bits, Matrix};
pub use norm::{layer_norm, rms_norm};
pub use pool::Pool;
