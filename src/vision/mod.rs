//! From the resized picture to the visual tokens, in the order of the data: views -> tower -> connector. The connectors:
//! `dem`, INF-LLaVA's (enhancement, mean with the low resolution, projector).

pub mod connector;
pub mod dem;
pub mod encoder;
pub mod grid;
pub mod projector;
pub mod tower;
