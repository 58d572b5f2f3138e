//! From the resized picture to the visual tokens: views -> tower -> connector. The connectors are `dem`,
//! INF-LLaVA's (enhancement, mean with the low resolution, projector), `shuffle`, SmolVLM's, `mlp`, LLaVA's, and
//! `perceiver`, VLSA's.

pub mod connector;
pub mod dem;
pub mod encoder;
pub mod grid;
pub mod mlp;
pub mod packing;
pub mod perceiver;
pub mod projector;
pub mod shuffle;
pub mod tower;
