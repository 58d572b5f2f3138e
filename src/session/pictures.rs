//! The pictures of a session, whose visual tokens are kept on the device.

use std::rc::Rc;

use burn::tensor::Tensor;

use super::PictureInfo;
use crate::config::Treatment;
use crate::image::Picture;
use crate::sequence::{Media, MediaId};
use crate::vision::encoder::Encoded;

/// So many pictures are kept whatever they take: 9.4 MB each in INF-LLaVA's released sizes.
const MOST_PICTURES: usize = 8;

/// The cost of encoding a picture.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Passes of the vision tower.
    pub passes: usize,
    /// Milliseconds of decoding, padding and resizing.
    pub image_ms: f64,
    /// Milliseconds of tower and connector.
    pub vision_ms: f64,
}

impl Cost {
    /// Both.
    pub fn and(self, other: Cost) -> Cost {
        Cost {
            passes: self.passes + other.passes,
            image_ms: self.image_ms + other.image_ms,
            vision_ms: self.vision_ms + other.vision_ms,
        }
    }
}

/// What a picture was encoded from, for models that encode it anew among others.
#[derive(Clone)]
pub(super) enum Origin {
    /// A file's name and its bytes.
    File(String, Rc<[u8]>),
    /// Pixels.
    Pixels(Rc<Picture>),
}

/// A picture that is kept.
pub(super) struct Held {
    /// The picture's identity, however it is looked at.
    pub picture: MediaId,
    /// How it was looked at.
    pub treatment: Treatment,
    /// Its encoded form.
    pub encoded: Encoded,
    /// Its description, if it was encoded by this session.
    pub info: Option<PictureInfo>,
    /// Its cost, until an answer has reported it.
    pub untold: Option<Cost>,
    /// What it was encoded from, where that is needed again.
    pub origin: Option<Origin>,
}

impl Held {
    /// The same, as the picture `picture`: of a caller who has keys for pictures.
    pub fn named(mut self, picture: MediaId) -> Self {
        self.picture = picture;
        let treatment = format!("{:?}", self.treatment);
        self.encoded.id = picture.with(treatment.as_bytes());
        self
    }

    /// A picture that was encoded elsewhere.
    pub fn of(encoded: Encoded, treatment: Treatment) -> Self {
        Held {
            picture: encoded.id,
            treatment,
            encoded,
            info: None,
            untold: None,
            origin: None,
        }
    }
}

/// All pictures, in order of use; the most recently used is last.
#[derive(Default)]
pub(super) struct Pictures(Vec<Held>);

impl Pictures {
    /// The picture as it was encoded most recently, if it is kept.
    pub fn get(&self, picture: MediaId) -> Option<&Held> {
        self.0.iter().rev().find(|held| held.picture == picture)
    }

    /// The picture under `treatment`, if it is kept so.
    pub fn get_as(&self, picture: MediaId, treatment: Treatment) -> Option<&Held> {
        let mut all = self.0.iter();
        all.find(|held| held.picture == picture && held.treatment == treatment)
    }

    /// The visual tokens of a run, `[tokens, hidden]`.
    pub fn visual_tokens(&self, run: Media) -> Option<Tensor<2>> {
        let held = self.0.iter().find(|held| held.encoded.id == run.id)?;
        let tokens = held.encoded.visual_tokens.clone();
        let fits = run.first + run.tokens <= held.encoded.tokens();
        fits.then(|| tokens.narrow(0, run.first, run.tokens))
    }

    /// Adds a picture, and removes the least recently used ones if there are too many. Those of one conversation fit
    /// into a context of `context_tokens` together, so they stay.
    pub fn hold(&mut self, held: Held, context_tokens: usize) {
        self.0.retain(|other| {
            (other.picture, other.treatment) != (held.picture, held.treatment)
                && other.encoded.id != held.encoded.id
        });
        self.0.push(held);
        let mut tokens: usize = self.0.iter().map(|held| held.encoded.tokens()).sum();
        while self.0.len() > MOST_PICTURES && tokens > 2 * context_tokens {
            tokens -= self.0.remove(0).encoded.tokens();
        }
    }

    /// Marks the picture as most recently used; returns whether it is kept.
    pub fn touch(&mut self, picture: MediaId) -> bool {
        // The sort is stable, so the others keep their order.
        self.0.sort_by_key(|held| held.picture == picture);
        self.get(picture).is_some()
    }

    /// The cost of the picture, returned only once.
    pub fn tell(&mut self, picture: MediaId) -> Option<Cost> {
        let of_it = self.0.iter_mut().filter(|held| held.picture == picture);
        of_it
            .filter_map(|held| held.untold.take())
            .reduce(Cost::and)
    }

    /// Removes all pictures.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
