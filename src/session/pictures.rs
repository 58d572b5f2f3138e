//! The pictures that a session holds: their visual tokens stay on the device.

use burn::tensor::Tensor;

use super::PictureInfo;
use crate::sequence::MediaId;
use crate::vision::encoder::Encoded;

/// Pictures that are held: 9.4 MB each in the released sizes.
const MOST_PICTURES: usize = 8;

/// What reading a picture took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Passes of the vision tower.
    pub passes: usize,
    /// Milliseconds of decoding, padding and resizing.
    pub image_ms: f64,
    /// Milliseconds of tower, enhancement and projector.
    pub vision_ms: f64,
}

/// A picture that is held.
pub(super) struct Held {
    /// As the decoder sees it.
    pub encoded: Encoded,
    /// What is known of it, where it was read here.
    pub info: Option<PictureInfo>,
    /// What it took, until an answer has told it.
    pub untold: Option<Cost>,
}

/// All of them; the one used last stands last.
#[derive(Default)]
pub(super) struct Pictures(Vec<Held>);

impl Pictures {
    /// The picture, if it is held.
    pub fn get(&self, id: MediaId) -> Option<&Held> {
        self.0.iter().find(|held| held.encoded.media.id == id)
    }

    /// Its visual tokens, `[tokens, hidden]`.
    pub fn visual_tokens(&self, id: MediaId) -> Option<Tensor<2>> {
        self.get(id).map(|held| held.encoded.visual_tokens.clone())
    }

    /// Holds a picture, in the place of the one that was used least lately if there are too many.
    pub fn hold(&mut self, held: Held) {
        self.forget(held.encoded.media.id);
        self.0.push(held);
        if self.0.len() > MOST_PICTURES {
            self.0.remove(0);
        }
    }

    /// Counts the picture as used now; gives whether it is held.
    pub fn touch(&mut self, id: MediaId) -> bool {
        match self.forget(id) {
            Some(held) => {
                self.0.push(held);
                true
            }
            None => false,
        }
    }

    /// What the picture took, once.
    pub fn tell(&mut self, id: MediaId) -> Option<Cost> {
        let held = self.0.iter_mut().find(|held| held.encoded.media.id == id);
        held?.untold.take()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn forget(&mut self, id: MediaId) -> Option<Held> {
        let place = self.0.iter().position(|held| held.encoded.media.id == id)?;
        Some(self.0.remove(place))
    }
}
