//! Operations for which burn tensors on the CPU would take too much memory.

mod quantized_linear;

pub use quantized_linear::quantized_linear;
