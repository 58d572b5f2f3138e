//! One key/value cache for several conversations: of the widgets of a page, or of a server's clients. Each sends its
//! conversation with its question; the prefix that the cache already holds is not computed again. Pictures are kept
//! under a key that the caller computes from their content.

use std::rc::Rc;

use burn::tensor::{Tensor, TensorData};

use super::pictures::Held;
use super::transcript::id_of;
use super::{Answer, EnhancementAttention, PictureInfo, Request, Session};
use crate::error::{Error, Result};
use crate::gpu::read::read;
use crate::image::clip::reel;
use crate::model::Model;
use crate::platform::Timer;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::request::Shown;
use crate::spec::Detail;
use crate::spec::plan::Coverage;
use crate::text::prompt::MediaKind;
use crate::vision::encoder::Encoded;

/// A session shared by several conversations.
pub struct Shared {
    session: Session,
}

impl Shared {
    /// Without a picture or a conversation.
    pub fn new(model: Rc<Model>, coverage: Coverage) -> Self {
        Shared {
            session: Session::new(model, coverage),
        }
    }

    /// The model it runs on.
    pub fn model(&self) -> &Rc<Model> {
        self.session.model()
    }

    /// Information about a picture whose features are kept.
    pub fn picture(&self, key: &str) -> Option<&PictureInfo> {
        self.session.pictures.get(id_of(key))?.info.as_ref()
    }

    /// Decodes and encodes a picture, unless its features are kept already. No conversation changes. `is_only`:
    /// whether it will be its conversation's only one; where it turns out otherwise, or another `detail` is asked for, it
    /// is encoded anew when it is asked about.
    ///
    /// # Errors
    /// As [`Session::set_image`].
    pub async fn read_picture(
        &mut self,
        key: &str,
        file: &str,
        bytes: &[u8],
        is_only: bool,
        detail: Detail,
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        if self.session.pictures.touch(id_of(key))
            && let Some(info) = self.picture(key)
        {
            return Ok(info.clone());
        }
        let treatment = self.session.treatment(is_only, detail);
        let (held, info) = self.session.encode(file, bytes, treatment, watch).await?;
        let context_tokens = self.session.model.context_tokens;
        let held = held.named(id_of(key));
        self.session.pictures.hold(held, context_tokens);
        Ok(info)
    }

    /// Which frames are looked at, ascending, of a video of `frames` at `native_fps` a second that takes `seconds`: as many
    /// as the model's files say and a conversation about it alone holds.
    ///
    /// # Errors
    /// [`Error::Option`] for a model that sees pictures only; [`Error::Config`] for one that sees nothing.
    pub fn video_frames(&self, frames: usize, native_fps: f64, seconds: f64) -> Result<Vec<usize>> {
        let choice = self.session.clip_options_behind(0, None)?.choice;
        Ok(choice.frames(frames, native_fps, seconds))
    }

    /// As [`Shared::read_picture`], for a video whose frames are in a [`reel`].
    ///
    /// # Errors
    /// As [`reel`] and [`Session::add_video`].
    pub async fn read_video(
        &mut self,
        key: &str,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        if self.session.pictures.touch(id_of(key))
            && let Some(info) = self.picture(key)
        {
            return Ok(info.clone());
        }
        let timer = Timer::start();
        let options = self.session.clip_options_behind(0, None)?;
        let clip = reel(file, bytes, &options, &watch.stop)?;
        let (read_ms, off) = (timer.elapsed_ms(), &mut Recorder::off());
        let (held, info) = self.session.encode_clip(&clip, read_ms, watch, off).await?;
        let context_tokens = self.session.model.context_tokens;
        self.session
            .pictures
            .hold(held.named(id_of(key)), context_tokens);
        Ok(info)
    }

    /// The features of a picture, `[tokens * hidden]`, for [`Shared::restore_picture`].
    ///
    /// # Errors
    /// [`Error::PictureNotHeld`]; [`Error::Device`].
    pub async fn features(&self, key: &str) -> Result<Vec<f32>> {
        let held = self.session.pictures.get(id_of(key));
        let held = held.ok_or_else(|| not_held(key))?;
        read(held.encoded.visual_tokens.clone()).await
    }

    /// Restores a picture from saved features, without a pass of the vision tower.
    ///
    /// # Errors
    /// [`Error::Option`] if their number does not fit this model, or one of them is not finite.
    pub fn restore_picture(
        &mut self,
        key: &str,
        info: PictureInfo,
        features: Vec<f32>,
    ) -> Result<()> {
        let config = &self.model().config;
        let size_px = [info.height, info.width];
        let treatment = self.session.treatment(true, Detail::Auto);
        let vision = config.require_vision("a picture")?;
        let layout = vision.layout(size_px, treatment)?;
        let shape = [layout.tokens, config.decoder.hidden_size];
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
        let encoded = Encoded {
            id: id_of(key),
            kind: MediaKind::Image,
            runs: layout.runs,
            visual_tokens,
            vision_passes: 0,
        };
        let held = Held {
            info: Some(PictureInfo {
                vision_passes: 0,
                vision_ms: 0.0,
                ..info
            }),
            ..Held::of(encoded, treatment)
        };
        let context_tokens = self.session.model.context_tokens;
        let held = held.named(id_of(key));
        self.session.pictures.hold(held, context_tokens);
        Ok(())
    }

    /// Answers a question. The answer depends only on the request, not on earlier questions.
    ///
    /// # Errors
    /// As [`Session::reply`]; [`Error::PictureNotHeld`].
    pub async fn reply(&mut self, request: &Request, watch: &mut Watch<'_>) -> Result<Answer> {
        self.touch_all(request)?;
        self.session.reply(request, watch).await
    }

    /// The attention with which the last of `request.begun` was generated: as [`Session::attention`].
    ///
    /// # Errors
    /// As [`Session::attention`]; [`Error::PictureNotHeld`].
    pub async fn attention(&mut self, request: &Request) -> Result<Vec<f32>> {
        self.touch_all(request)?;
        let last = self.session.turn_to(request).await?;
        self.session.attention(last).await
    }

    /// The enhancement's attention in a picture: as [`Session::enhancement_attention`].
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

    /// Marks the request's pictures as used. The request alone says which they are.
    fn touch_all(&mut self, request: &Request) -> Result<()> {
        self.session.forget_pictures();
        let pictures = &mut self.session.pictures;
        let mut all = request.all_pictures();
        match all.find(|shown| !pictures.touch(id_of(&shown.key))) {
            Some(Shown { key, .. }) => Err(not_held(key)),
            None => Ok(()),
        }
    }
}

fn not_held(key: &str) -> Error {
    Error::PictureNotHeld {
        key: key.to_string(),
    }
}
