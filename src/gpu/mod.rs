//! Hot operations: each is one function of the model's vocabulary with two bodies, a WGSL kernel
//! (`shaders/x.wgsl`, launched by `ops/x.rs`) for tensors that live on wgpu, and burn tensors
//! (`reference/x.rs`) for every other device, which is also the oracle. Knows nothing of the model.

pub mod adapter;
pub mod cpu;
pub mod device;
pub mod kernel;
pub mod layer_cache;
pub mod memory;
pub mod ops;
pub mod pace;
pub mod quantized;
pub mod read;
pub mod reference;
mod remembered;
pub mod rope;
pub mod self_test;
pub mod submissions;
pub mod tuning;
pub mod writes;
