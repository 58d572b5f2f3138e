//! Hot operations. Each is one function with two implementations: a WGSL kernel (`shaders/x.wgsl`, launched by
//! `ops/x.rs`) for tensors on wgpu, and burn tensors (`reference/x.rs`) for every other device, which tests also use
//! as the reference. Independent of any particular model.

pub mod adapter;
pub mod cpu;
pub mod device;
pub mod fallbacks;
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
