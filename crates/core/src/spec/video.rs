//! How videos are seen: what stands for one in a prompt, computed from counts and times.

use super::frames::Sampling;
use super::grid::GridSpec;
use super::run::{Run, Runs};
use super::spoken::{AFTER_FRAMES, before_frame, before_frames};

/// The most frames of a video, which are a pass of the tower each.
pub const MOST_FRAMES: usize = 1024;

/// How a model sees a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Video {
    /// SmolVLM2: each frame as a picture of one tile, with its time in words.
    Timed(TimedSpec),
    /// LLaVA-OneVision: each frame as a view whose map of tokens is reduced, without words.
    Pooled,
}

/// SmolVLM2's videos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedSpec {
    /// Which frames are looked at.
    pub sampling: Sampling,
    /// How a frame becomes a tile; it is not split.
    pub grid: GridSpec,
}

impl TimedSpec {
    /// What stands in a prompt for a video that takes `seconds`, whose frames are from `times_s` and have `tokens`
    /// visual tokens each (transformers' `SmolVLMProcessor`, `expand_text_with_video_tokens`).
    pub fn runs(&self, times_s: &[f64], seconds: f64, tokens: usize) -> Vec<Run> {
        let mut runs = Runs::default();
        runs.words(&before_frames(times_s.len(), seconds));
        for &time in times_s {
            runs.words(&before_frame(time));
            let whole = self.grid.grid([1, 1]);
            for run in whole.runs(tokens) {
                match run {
                    Run::Words(words) => runs.words(&words),
                    Run::Tokens(tokens) => runs.tokens(tokens),
                }
            }
        }
        runs.words(AFTER_FRAMES);
        runs.into_list()
    }
}
