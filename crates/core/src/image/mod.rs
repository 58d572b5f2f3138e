//! Converts the bytes of a picture file to the input of the vision tower.
//!
//! In: an untrusted file. Out: [`Picture`] (RGB bytes), then the padded and resized square, a view
//! or the canvas of several, then `pixel_values`. This module must not know of tensors, devices or
//! JavaScript: the same code runs on a server and in the browser, so that both compute the same
//! pixels.

mod anyres;
mod bicubic;
mod canvas;
pub mod clip;
mod decode;
mod drawn;
mod explain;
mod foreign;
mod gif;
mod jpeg;
mod picture;
mod preprocess;
mod resample;
mod resize;
mod rgb;
mod single;
mod snapshot;
mod sniff;
mod tiles;
mod watched;

pub use anyres::{AnyresViews, anyres};
pub use bicubic::bicubic;
pub use decode::{Limits, WHITE, decode, decode_on, open};
pub use drawn::{FIGURES, looks_drawn};
pub use picture::Picture;
pub use preprocess::{Normalise, PAD_COLOUR, pixel_values, square_u8, square_u8_watched};
pub use resample::Filter;
pub use resize::resize;
pub use single::single;
pub use snapshot::{SnapshotViews, snapshot};
pub use tiles::{Tiles, tiles};
pub use watched::{decode_watched, decode_watched_on, keep_until_decoded};
