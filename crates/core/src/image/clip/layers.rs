//! What the formats of animations have in common: an outline that is read without decoding anything,
//! and layers that are decoded one after the other.

use super::screen::Layer;
use crate::error::{Error, Result};

/// The most frames of an animation: an hour at 27 a second.
const MOST_FRAMES: usize = 100_000;
/// Delays up to this many milliseconds are none in files that were written when programs could not keep up, and
/// browsers take [`USUAL_MS`] for them.
const SHORTEST_MS: u32 = 10;
const USUAL_MS: u32 = 100;

/// What is known of an animation before anything is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outline {
    /// Width and height of the canvas, not yet checked.
    pub canvas: (u32, u32),
    /// When each frame begins, in milliseconds, and at last the end.
    begins_ms: Vec<u64>,
    /// Pixels of each layer.
    pixels: Vec<u64>,
}

impl Outline {
    pub(super) fn new(canvas: (u32, u32)) -> Self {
        Outline {
            canvas,
            begins_ms: vec![0],
            pixels: Vec::new(),
        }
    }

    /// Adds a frame of so many pixels, which is shown for so long.
    ///
    /// # Errors
    /// [`Error::ImageFormat`] if there are too many.
    pub(super) fn push(&mut self, file: &str, pixels: u64, delay_ms: u32) -> Result<()> {
        if self.pixels.len() == MOST_FRAMES {
            return Err(Error::ImageFormat {
                file: file.into(),
                reason: format!(
                    "it has more than {MOST_FRAMES} frames; cut the part to look at out of it first"
                ),
            });
        }
        let delay_ms = match delay_ms <= SHORTEST_MS {
            true => USUAL_MS,
            false => delay_ms,
        };
        let begins = self.begins_ms.last().copied().unwrap_or(0);
        self.begins_ms.push(begins + u64::from(delay_ms));
        self.pixels.push(pixels);
        Ok(())
    }

    pub(super) fn frames(&self) -> usize {
        self.pixels.len()
    }

    /// When a frame begins, in seconds.
    pub(super) fn time_s(&self, frame: usize) -> f64 {
        let ms = self.begins_ms.get(frame).copied().unwrap_or(0);
        ms as f64 / 1000.0
    }

    /// All of it, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.time_s(self.frames())
    }

    /// The pixels that are decoded to see the frame `last`.
    pub(super) fn pixels_to(&self, last: usize) -> u64 {
        let pixels = self.pixels.iter().take(last.saturating_add(1));
        pixels.fold(0, |all, pixels| all.saturating_add(*pixels))
    }
}

/// The layers of an animation, in their order.
pub(super) trait Layers {
    /// Decodes the next one.
    ///
    /// # Errors
    /// [`Error::ImageDamaged`], also if there is none; [`Error::ImageFormat`] for a kind that is not read.
    fn next(&mut self) -> Result<Layer>;
}
