//! The structure of a model: a tower, a tiling, a connector and a decoder, each with its sizes, its choices, and the
//! names and shapes of its tensors. `config` fills them from files; `vision` and `language` compute them.
//!
//! In: validated numbers. Out: counts, names and plans. Uses no tensors, so that a model can be estimated, converted
//! and refused without any.

mod ablation;
mod anyres;
mod connector;
mod decoder;
mod detail;
mod frames;
mod grid;
mod padding;
pub mod plan;
mod rope;
mod run;
mod single;
mod snapshot;
mod spoken;
mod tiling;
mod tower;
mod video;
mod view;
mod weights;

pub use ablation::{Ablation, Dem, Directions, Fusion, Modules, Pooling};
pub use anyres::{Anyres, AnyresSpec, Largest, Merge, TokenMap};
pub use connector::{
    Connector, DEM, DemSpec, MlpSpec, NEWLINE, PERCEIVER, PROJECTOR, PerceiverSpec, SHUFFLE,
    Scores, ShuffleSpec,
};
pub use decoder::{DECODER, DecoderSpec, EMBEDDINGS, HEAD, Window};
pub use detail::Detail;
pub use frames::{Sampling, evenly, pooled_side, video_tokens};
pub use grid::{Grid, GridSpec};
pub use padding::Padding;
pub use rope::{RopeScaling, RopeSpec};
pub use run::{Run, Runs};
pub use single::{Fit, SingleSpec, shortest_edge_px};
pub use snapshot::{Snapshot, SnapshotSpec};
pub use spoken::{AFTER_FRAMES, before_frame, before_frames};
pub use tiling::{CanvasLayout, Crop, Layout, Packing, Tiling};
pub use tower::{Activation, TOWER, TowerSpec};
pub use video::{MOST_FRAMES, TimedSpec, Video};
pub use view::View;
pub use weights::{Kind, Weight, parameters};
