//! The frames of a video that are looked at: of an animated picture, of a folder of pictures, of what ffmpeg reads, and of
//! what a browser has decoded.
//!
//! In: an untrusted file or folder, and which frames are wanted. Out: [`Clip`]. Which frames there are is read
//! first, without decoding any, so only those that are looked at are held. This module must not know what
//! the frames are for, beyond which of them [`Choice`] wants.

mod animation;
#[cfg(not(target_arch = "wasm32"))]
mod ffmpeg;
#[cfg(not(target_arch = "wasm32"))]
mod folder;
mod gif;
mod kept;
mod layers;
#[cfg(not(target_arch = "wasm32"))]
mod open;
mod options;
mod png;
#[cfg(not(target_arch = "wasm32"))]
mod process;
mod reel;
mod screen;
mod webp;

pub use animation::animation;
pub use kept::Clip;
#[cfg(not(target_arch = "wasm32"))]
pub use open::open;
pub use options::{Choice, ClipOptions, FOLDER_FPS, MOST_HELD, Tools};
pub use reel::{Head as ReelHead, ReelFrame, is_reel, reel};
