//! From the resized square of a picture to the visual tokens, in the order of the data:
//! crop (DCM) -> clip (tower) -> enhance (DEM) -> merge with the low resolution -> projector.

pub mod plan;

#[cfg(feature = "model")]
pub mod clip;
#[cfg(feature = "model")]
pub mod encoder;
#[cfg(feature = "model")]
pub mod enhance;
#[cfg(feature = "model")]
pub mod fusion;
#[cfg(feature = "model")]
pub mod grid;
#[cfg(feature = "model")]
pub mod perspectives;
#[cfg(feature = "model")]
pub mod projector;
#[cfg(feature = "model")]
pub mod selection;
