//! What a model is made of: a tower, a tiling, a connector and a decoder, each as its sizes and choices, with the names
//! and shapes of the tensors that it reads. `config` fills them from the files; `vision` and `language` compute them.
//!
//! In: checked numbers. Out: counts, names and plans. No tensors, so that a model can be estimated, converted and refused
//! without any.

mod ablation;
mod connector;
mod decoder;
pub mod plan;
mod rope;
mod tiling;
mod tower;
mod weights;

pub use ablation::{Ablation, Dem, Directions, Fusion, Modules, Pooling};
pub use connector::{Connector, DEM, DemSpec, PROJECTOR};
pub use decoder::{DECODER, DecoderSpec, EMBEDDINGS, Window};
pub use rope::{RopeScaling, RopeSpec};
pub use tiling::{Crop, Layout, Tiling, View};
pub use tower::{Activation, TOWER, TowerSpec};
pub use weights::{Kind, Weight, parameters};
