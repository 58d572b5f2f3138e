//! A picture's way into a conversation.

use super::{PictureInfo, Session, Timings};
use crate::error::Result;
use crate::image::{Limits, Picture, decode_watched};
use crate::platform::Timer;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::vision::encoder::Encoded;

impl Session {
    /// Reads and encodes a picture, and starts a new conversation about it. If this fails or is
    /// stopped, the earlier picture and conversation are untouched.
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
        let timer = Timer::start();
        let picture = decode_watched(file, bytes, &Limits::default(), &watch.stop)?;
        self.set_picture(&picture, timer, watch, &mut Recorder::off())
            .await
    }

    /// As [`Session::set_image`], from pixels; `timer` has run since the picture's decoding began.
    ///
    /// # Errors
    /// As [`Session::set_image`].
    pub async fn set_picture(
        &mut self,
        picture: &Picture,
        timer: Timer,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<PictureInfo> {
        let (encoded, info, timings) = self.encode_picture(picture, timer, watch, recorder).await?;
        self.new_chat();
        self.unreported_passes = encoded.vision_passes;
        self.unreported = timings;
        self.picture = Some(encoded);
        Ok(info)
    }

    /// Reads and encodes a picture; the conversation stays as it is.
    pub(super) async fn encode(
        &self,
        file: &str,
        bytes: &[u8],
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<(Encoded, PictureInfo, Timings)> {
        let timer = Timer::start();
        let picture = decode_watched(file, bytes, &Limits::default(), &watch.stop)?;
        self.encode_picture(&picture, timer, watch, recorder).await
    }

    async fn encode_picture(
        &self,
        picture: &Picture,
        timer: Timer,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<(Encoded, PictureInfo, Timings)> {
        self.model.unchanged()?;
        let square = self.model.square_watched(picture, &watch.stop)?;
        let image_ms = timer.elapsed_ms();
        let timer = Timer::start();
        let encoded = self
            .model
            .vision
            .encode(&square, self.coverage, watch, recorder)
            .await?;
        let vision_ms = timer.elapsed_ms();
        let info = PictureInfo {
            width: picture.width,
            height: picture.height,
            notices: picture.notices.clone(),
            outside_scope: self
                .model
                .config
                .scope
                .is_some_and(|scope| !scope.covers(picture)),
            image_px: square.side_px,
            crops_per_side: self.model.config.crops_per_side,
            vision_passes: encoded.vision_passes,
            vision_ms,
        };
        let timings = Timings {
            image: image_ms,
            vision: vision_ms,
            ..Timings::default()
        };
        Ok((encoded, info, timings))
    }
}
