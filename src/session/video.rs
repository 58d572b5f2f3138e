//! Adds videos to a conversation.

use super::pictures::{Cost, Held};
use super::{PictureInfo, Session};
use crate::error::Result;
use crate::image::clip::{Clip, ClipOptions};
use crate::platform::Timer;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::spec::Detail;
use crate::text::prompt::MediaKind;

/// Of the context this is left for the question and its answer, where nobody says how many frames are looked at.
const WORDS_TOKENS: usize = 512;

impl Session {
    /// How a video is read for this model: at most `most` frames of it; if that is not said, as many as the model's files
    /// say and the rest of the context holds. The pictures of a folder are `folder_fps` a second.
    ///
    /// # Errors
    /// [`crate::Error::Option`] for a model that sees pictures only; [`crate::Error::Config`] for one that sees nothing.
    pub fn clip_options(&self, most: Option<usize>, folder_fps: f64) -> Result<ClipOptions> {
        let shown = self.shown.iter().filter_map(|look| {
            let held = self.pictures.get(look.picture)?;
            Some(held.encoded.tokens())
        });
        let taken = self.sequence.len() + shown.sum::<usize>();
        Ok(ClipOptions {
            folder_fps,
            ..self.clip_options_behind(taken, most)?
        })
    }

    /// As [`Session::clip_options`], behind so many tokens.
    pub(super) fn clip_options_behind(
        &self,
        taken: usize,
        most: Option<usize>,
    ) -> Result<ClipOptions> {
        let vision = self.model.config.require_vision("a video")?;
        let context = self.model.context_tokens;
        let words = WORDS_TOKENS.min(context / 4);
        let room = context.saturating_sub(taken + words);
        Ok(ClipOptions {
            ground: vision.pixels.ground,
            ..ClipOptions::new(vision.choice(most, room)?)
        })
    }

    /// Encodes a video, which the next question shows; reading it took `read_ms` milliseconds. If this fails or is
    /// stopped, the conversation is unchanged.
    ///
    /// # Errors
    /// As [`Session::clip_options`]; [`crate::Error::Option`] for more frames than the context holds;
    /// [`crate::Error::Stopped`]; [`crate::Error::Device`]; [`crate::Error::ModelChanged`].
    pub async fn add_video(
        &mut self,
        clip: &Clip,
        read_ms: f64,
        watch: &mut Watch<'_>,
    ) -> Result<PictureInfo> {
        self.check_count(self.looks().count() + 1)?;
        let off = &mut Recorder::off();
        let (held, info) = self.encode_clip(clip, read_ms, watch, off).await?;
        self.show(&held);
        self.pictures.hold(held, self.model.context_tokens);
        Ok(info)
    }

    /// Encodes a video, and starts a new conversation about it.
    ///
    /// # Errors
    /// As [`Session::add_video`].
    pub async fn set_video(
        &mut self,
        clip: &Clip,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<PictureInfo> {
        let (held, info) = self.encode_clip(clip, 0.0, watch, recorder).await?;
        self.begin_about(Some(held));
        Ok(info)
    }

    /// Encodes a video; the conversation is unchanged. Width and height are those of the first frame.
    pub(super) async fn encode_clip(
        &self,
        clip: &Clip,
        read_ms: f64,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<(Held, PictureInfo)> {
        self.model.unchanged()?;
        let config = &self.model.config;
        let context = self.model.context_tokens;
        let vision = config.require_vision("a video")?;
        vision.check_frames(&clip.times_s, clip.seconds, context)?;
        let encoder = self.model.vision()?;
        let timer = Timer::start();
        let views = encoder.video_views(&clip.frames, &clip.times_s, clip.seconds, &watch.stop)?;
        let image_ms = read_ms + timer.elapsed_ms();
        let timer = Timer::start();
        let encoded = encoder.encode(&views, watch, recorder).await?;
        let vision_ms = timer.elapsed_ms();
        let passes = encoded.vision_passes;
        let size = clip.frames.first().map(|frame| (frame.width, frame.height));
        let (width, height) = size.unwrap_or_default();
        let is_outside = |scope: crate::config::Scope| {
            let mut frames = clip.frames.iter();
            !frames.all(|frame| scope.covers(frame))
        };
        let info = PictureInfo {
            width,
            height,
            notices: clip.notices.clone(),
            outside_scope: config.scope.is_some_and(is_outside),
            image_px: views.layout.size_px()[0],
            crops_per_side: 1,
            vision_passes: passes,
            vision_ms,
        };
        let held = Held {
            info: Some(info.clone()),
            untold: Some(Cost {
                passes,
                image_ms,
                vision_ms,
            }),
            // No other treatment is ever asked for, so what it was encoded from is not needed again.
            ..Held::of(
                encoded,
                self.treatment_of(MediaKind::Video, true, Detail::Auto),
            )
        };
        Ok((held, info))
    }
}
