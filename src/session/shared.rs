//! One key/value cache for several conversations: of the widgets of a page, or of a server's clients. Each hands its
//! conversation over with its question; what the cache holds of the same beginning is not computed again. Pictures are
//! kept by a key that the caller makes of their content.

use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};

use super::{Answer, EnhancementAttention, PictureInfo, Request, Session, Timings};
use crate::error::{Error, Result};
use crate::gpu::read::read;
use crate::model::Model;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::vision::encoder::Encoded;
use crate::vision::plan::Coverage;

/// Pictures whose features stay on the device: 9.4 MB each in the released sizes.
const MOST_PICTURES: usize = 8;

struct Held {
    key: String,
    encoded: Encoded,
    info: PictureInfo,
    /// What reading it took, until an answer has told it.
    unreported: Option<Timings>,
}

/// A session that its users share.
pub struct Shared {
    session: Session,
    /// The one used last stands last.
    pictures: Vec<Held>,
    /// The picture that the session has.
    current: Option<String>,
}

impl Shared {
    /// No picture, no conversation.
    pub fn new(model: Rc<Model>, coverage: Coverage) -> Self {
        Shared {
            session: Session::new(model, coverage),
            pictures: Vec::new(),
            current: None,
        }
    }

    /// The model it runs on.
    pub fn model(&self) -> &Rc<Model> {
        self.session.model()
    }

    /// What is known of a picture whose features are held.
    pub fn picture(&self, key: &str) -> Option<&PictureInfo> {
        self.pictures
            .iter()
            .find(|held| held.key == key)
            .map(|held| &held.info)
    }

    /// Reads and encodes a picture, unless its features are held. No conversation changes.
    ///
    /// # Errors
    /// As [`Session::set_image`].
    pub async fn read_picture(
        &mut self,
        key: &str,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        if let Some(held) = self.take(key) {
            let info = held.info.clone();
            self.hold(held);
            return Ok(info);
        }
        let (encoded, info, timings) = self
            .session
            .encode(file, bytes, watch, &mut Recorder::off())
            .await?;
        self.hold(Held {
            key: key.to_string(),
            encoded,
            info: info.clone(),
            unreported: Some(timings),
        });
        Ok(info)
    }

    /// The features of a picture, `[image_tokens * hidden]`, to be kept for [`Shared::restore_picture`].
    ///
    /// # Errors
    /// [`Error::PictureNotHeld`]; [`Error::Device`].
    pub async fn features(&self, key: &str) -> Result<Vec<f32>> {
        let held = self.pictures.iter().find(|held| held.key == key);
        let held = held.ok_or_else(|| not_held(key))?;
        read(held.encoded.visual_tokens.clone()).await
    }

    /// Takes up features that were kept: no pass of the vision tower.
    ///
    /// # Errors
    /// [`Error::Option`] where their number is not this model's, or one of them is no number.
    pub fn restore_picture(
        &mut self,
        key: &str,
        info: PictureInfo,
        features: Vec<f32>,
    ) -> Result<()> {
        let config = &self.model().config;
        let shape = [config.image_tokens(), config.language.hidden_size];
        let wanted = shape[0] * shape[1];
        let refused = |reason: String| Error::Option {
            option: "features".into(),
            reason,
        };
        if features.len() != wanted {
            let count = features.len();
            return Err(refused(format!("{count} numbers; this model has {wanted}")));
        }
        if features.iter().any(|value| !value.is_finite()) {
            return Err(refused("one of them is no number".into()));
        }
        let device = &self.model().device.device;
        let visual_tokens = Tensor::from_data(TensorData::new(features, shape), device);
        self.take(key);
        self.hold(Held {
            key: key.to_string(),
            encoded: Encoded {
                visual_tokens,
                vision_passes: 0,
            },
            info: PictureInfo {
                vision_passes: 0,
                vision_ms: 0.0,
                ..info
            },
            unreported: None,
        });
        Ok(())
    }

    /// Answers a question. Nothing depends on what was asked before it but what the request says.
    ///
    /// # Errors
    /// As [`Session::reply`]; [`Error::PictureNotHeld`].
    pub async fn reply(&mut self, request: &Request, watch: &mut Watch<'_>) -> Result<Answer> {
        self.turn_to(request.picture.as_deref())?;
        self.session.reply(request, watch).await
    }

    /// What the model looked at when it said the last of `request.begun`: as [`Session::attention`].
    ///
    /// # Errors
    /// As [`Session::attention`]; [`Error::PictureNotHeld`].
    pub async fn attention(&mut self, request: &Request) -> Result<Vec<f32>> {
        self.turn_to(request.picture.as_deref())?;
        let last = self.session.turn_to(request).await?;
        self.session.attention(last).await
    }

    /// What the enhancement looks at in a picture: as [`Session::enhancement_attention`].
    ///
    /// # Errors
    /// As [`Session::enhancement_attention`].
    pub async fn enhancement_attention(
        &self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<EnhancementAttention> {
        self.session.enhancement_attention(file, bytes, watch).await
    }

    /// Gives the session the picture, unless it has it.
    fn turn_to(&mut self, picture: Option<&str>) -> Result<()> {
        if self.current.as_deref() == picture {
            // It stays among those used last.
            if let Some(held) = picture.and_then(|key| self.take(key)) {
                self.hold(held);
            }
            return Ok(());
        }
        let Some(key) = picture else {
            self.session.set_encoded(None);
            self.current = None;
            return Ok(());
        };
        let mut held = self.take(key).ok_or_else(|| not_held(key))?;
        self.session.set_encoded(Some(held.encoded.clone()));
        if let Some(timings) = held.unreported.take() {
            self.session.unreported = timings;
            self.session.unreported_passes = held.encoded.vision_passes;
        }
        self.current = Some(key.to_string());
        self.hold(held);
        Ok(())
    }

    fn take(&mut self, key: &str) -> Option<Held> {
        let place = self.pictures.iter().position(|held| held.key == key)?;
        Some(self.pictures.remove(place))
    }

    fn hold(&mut self, held: Held) {
        self.pictures.push(held);
        if self.pictures.len() > MOST_PICTURES {
            self.pictures.remove(0);
        }
    }
}

fn not_held(key: &str) -> Error {
    Error::PictureNotHeld {
        key: key.to_string(),
    }
}
