//! Attention: of few new tokens to a cache, where keys and values are read once for each of them, and of many, as products of
//! matrices.

mod few;
mod many;

pub use few::{Attention, attend};
pub use many::{Causal, Heads, attend_many};
