//! How many frames of a video are looked at: as the model's files say, and as its context holds.

use super::vision::Vision;
use crate::error::{Error, Result};
use crate::image::clip::Choice;
use crate::spec::Video;

/// Frames of a video where the files say no number: as LLaVA-OneVision was trained with.
const USUAL_FRAMES: usize = 32;
/// Tokens of the words in front of a video's frames, and of those in front of each; published tokenizers make fewer.
const INTRO_TOKENS: usize = 48;
const FRAME_TOKENS: usize = 24;

impl Vision {
    /// Whether it sees videos.
    pub fn sees_videos(&self) -> bool {
        self.require_video().is_ok()
    }

    /// How it sees videos.
    fn require_video(&self) -> Result<Video> {
        // Of a model that sees none this says so.
        self.video_layout(&[0.0], 0.0)?;
        Ok(self.video.unwrap_or(Video::Pooled))
    }

    /// Which frames of a video are looked at: at most `most`. If that is not said, as many as the model's files say,
    /// but no more than `room_tokens` of the context hold; at least one.
    ///
    /// # Errors
    /// [`Error::Option`] for a model that sees no videos.
    pub fn choice(&self, most: Option<usize>, room_tokens: usize) -> Result<Choice> {
        let video = self.require_video()?;
        let usual = match video {
            Video::Timed(spec) => spec.sampling.max_frames,
            Video::Pooled => USUAL_FRAMES,
        };
        let most = match most {
            Some(most) => most,
            None => usual.min(self.frames_within(room_tokens)?),
        };
        Ok(Choice::new(video, most))
    }

    /// The most frames that so many tokens of the context hold, words included; at least one.
    fn frames_within(&self, tokens: usize) -> Result<usize> {
        let taken = |times: &[f64]| Ok(self.video_layout(times, 0.0)?.tokens);
        let (one, two) = (taken(&[0.0])?, taken(&[0.0; 2])?);
        let (intro, words) = match self.require_video()? {
            Video::Timed(_) => (INTRO_TOKENS, FRAME_TOKENS),
            Video::Pooled => (0, 0),
        };
        let frame = two.saturating_sub(one);
        let others = one.saturating_sub(frame).saturating_add(intro);
        let room = tokens.saturating_sub(others);
        let most = room.checked_div(frame.saturating_add(words));
        Ok(most.unwrap_or(usize::MAX).max(1))
    }

    /// Refuses more frames than a context of `context_tokens` holds by their visual tokens alone: before the tower sees
    /// any.
    ///
    /// # Errors
    /// [`Error::Option`], which says how many would fit; as [`Vision::video_layout`].
    pub fn check_frames(&self, times_s: &[f64], seconds: f64, context_tokens: usize) -> Result<()> {
        let tokens = self.video_layout(times_s, seconds)?.tokens;
        if tokens < context_tokens {
            return Ok(());
        }
        let (frames, fewer) = (times_s.len(), self.frames_within(context_tokens / 2)?);
        Err(Error::Option {
            option: "frames".into(),
            reason: format!(
                "{frames} frames take {tokens} tokens and the context holds {context_tokens}; {fewer} would leave half of it for words"
            ),
        })
    }
}
