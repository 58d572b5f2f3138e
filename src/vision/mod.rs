//! From the resized picture to the visual tokens: views -> tower -> connector. The only connector is `dem`,
//! INF-LLaVA's (enhancement, mean with the low resolution, projector).

pub mod connector;
pub mod dem;
pub mod encoder;
pub mod grid;
pub mod projector;
pub mod tower;
