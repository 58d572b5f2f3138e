//! The operations on burn tensors: used where WGSL does not run, and the reference that kernels are compared with.

mod attention_map;
mod causal_attention;
mod crop_patchify;
mod dem_attention;
mod linear;
mod norm;
mod product;
mod quantized_linear;
mod rotary_cache;
mod self_attention;

pub use attention_map::attention_map;
pub use causal_attention::causal_attention;
pub use crop_patchify::crop_patchify;
pub use dem_attention::{dem_attention, dem_attention_map};
pub use linear::linear;
pub use norm::{layer_norm, rms_norm};
pub use product::{gated, product};
pub use quantized_linear::quantized_linear;
pub use rotary_cache::rotary_cache;
pub use self_attention::self_attention;
