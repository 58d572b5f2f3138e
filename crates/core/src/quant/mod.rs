//! Weights in 4 or 8 bits: their definition, their layout in memory, and how the best codes are
//! found.
//!
//! In: floats, or the bytes of a shard. Out: the other of the two. It does not know of files or
//! tensors: `weights` reads and writes such bytes, `gpu` multiplies by them.

mod levels;
mod packed;
mod quantize;
mod stack;

pub use levels::{BLOCK, Layout, Quant, level_q4};
pub use packed::{Packed, PackedRow};
pub use stack::Stack;
