//! The pictures of a session, whose visual tokens are kept on the device.

use burn::tensor::Tensor;

use super::PictureInfo;
use crate::sequence::MediaId;
use crate::vision::encoder::Encoded;

/// The most pictures kept: 9.4 MB each in the released sizes.
const MOST_PICTURES: usize = 8;

/// The cost of encoding a picture.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Passes of the vision tower.
    pub passes: usize,
    /// Milliseconds of decoding, padding and resizing.
    pub image_ms: f64,
    /// Milliseconds of tower, enhancement and projector.
    pub vision_ms: f64,
}

/// A picture that is kept.
pub(super) struct Held {
    /// Its encoded form.
    pub encoded: Encoded,
    /// Its description, if it was encoded by this session.
    pub info: Option<PictureInfo>,
    /// Its cost, until an answer has reported it.
    pub untold: Option<Cost>,
}

/// All pictures, in order of use; the most recently used is last.
#[derive(Default)]
pub(super) struct Pictures(Vec<Held>);

impl Pictures {
    /// The picture, if it is kept.
    pub fn get(&self, id: MediaId) -> Option<&Held> {
        self.0.iter().find(|held| held.encoded.media.id == id)
    }

    /// Its visual tokens, `[tokens, hidden]`.
    pub fn visual_tokens(&self, id: MediaId) -> Option<Tensor<2>> {
        self.get(id).map(|held| held.encoded.visual_tokens.clone())
    }

    /// Adds a picture, and removes the least recently used one if there are too many.
    pub fn hold(&mut self, held: Held) {
        self.forget(held.encoded.media.id);
        self.0.push(held);
        if self.0.len() > MOST_PICTURES {
            self.0.remove(0);
        }
    }

    /// Marks the picture as most recently used; returns whether it is kept.
    pub fn touch(&mut self, id: MediaId) -> bool {
        match self.forget(id) {
            Some(held) => {
                self.0.push(held);
                true
            }
            None => false,
        }
    }

    /// The cost of the picture, returned only once.
    pub fn tell(&mut self, id: MediaId) -> Option<Cost> {
        let held = self.0.iter_mut().find(|held| held.encoded.media.id == id);
        held?.untold.take()
    }

    /// Removes all pictures.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn forget(&mut self, id: MediaId) -> Option<Held> {
        let place = self.0.iter().position(|held| held.encoded.media.id == id)?;
        Some(self.0.remove(place))
    }
}
