//! Weights in 4 or 8 bits: what the bits mean, where they lie in memory, and which bits say a weight best.
//!
//! In: floats, or the bytes of a shard. Out: the other. It knows of no file and no tensor: `weights` reads and writes such
//! bytes, `gpu` multiplies by them.

mod levels;
mod packed;
mod quantize;
mod stack;

pub use levels::{BLOCK, Layout, Quant, level_q4};
pub use packed::{Packed, PackedRow};
pub use stack::Stack;
