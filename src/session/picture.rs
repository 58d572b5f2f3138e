//! Adds a picture to a conversation.

use super::pictures::{Cost, Held};
use super::{PictureInfo, Session};
use crate::error::Result;
use crate::image::{Limits, Picture, decode_watched};
use crate::platform::Timer;
use crate::progress::Watch;
use crate::recorder::Recorder;

impl Session {
    /// Decodes and encodes a picture, and starts a new conversation about it. If this fails or is stopped, the
    /// earlier picture and conversation are unchanged.
    ///
    /// # Errors
    /// As [`crate::image::decode`]; [`crate::Error::Stopped`]; [`crate::Error::Device`];
    /// [`crate::Error::ModelChanged`].
    pub async fn set_image(
        &mut self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        let (held, info) = self.encode(file, bytes, watch).await?;
        self.begin_about(Some(held));
        Ok(info)
    }

    /// As [`Session::set_image`], from pixels.
    ///
    /// # Errors
    /// As [`Session::set_image`].
    pub async fn set_picture(
        &mut self,
        picture: &Picture,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<PictureInfo> {
        let (held, info) = self.encode_picture(picture, 0.0, watch, recorder).await?;
        self.begin_about(Some(held));
        Ok(info)
    }

    /// Decodes and encodes a picture; the conversation is unchanged.
    pub(super) async fn encode(
        &self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
    ) -> Result<(Held, PictureInfo)> {
        let timer = Timer::start();
        let picture = decode_watched(file, bytes, &Limits::default(), &watch.stop)?;
        let decoding_ms = timer.elapsed_ms();
        let off = &mut Recorder::off();
        self.encode_picture(&picture, decoding_ms, watch, off).await
    }

    async fn encode_picture(
        &self,
        picture: &Picture,
        decoding_ms: f64,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<(Held, PictureInfo)> {
        self.model.unchanged()?;
        let timer = Timer::start();
        let views = self
            .model
            .vision
            .views(picture, self.coverage, &watch.stop)?;
        let image_ms = decoding_ms + timer.elapsed_ms();
        let timer = Timer::start();
        let encoded = self.model.vision.encode(&views, watch, recorder).await?;
        let vision_ms = timer.elapsed_ms();
        let passes = encoded.vision_passes;
        let config = &self.model.config;
        let info = PictureInfo {
            width: picture.width,
            height: picture.height,
            notices: picture.notices.clone(),
            outside_scope: config.scope.is_some_and(|scope| !scope.covers(picture)),
            image_px: views.layout.size_px()[0],
            crops_per_side: config.dual().map_or(1, |dual| dual.crops_per_side),
            vision_passes: passes,
            vision_ms,
        };
        let held = Held {
            encoded,
            info: Some(info.clone()),
            untold: Some(Cost {
                passes,
                image_ms,
                vision_ms,
            }),
        };
        Ok((held, info))
    }
}
