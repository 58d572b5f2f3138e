//! What is told of a model, a picture and an answer, also serialised as JSON. [`crate::request`] is what was asked.

use serde::{Deserialize, Serialize};

use crate::config::{Remark, Scope};
use crate::generate::generation::StopReason;

/// Milliseconds of the parts of a turn.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Decoding, padding and resizing the picture, if that was part of the turn.
    pub image: f64,
    /// Vision tower, enhancement and projector, if that was part of the turn.
    pub vision: f64,
    /// The prompt's tokens.
    pub prefill: f64,
    /// The answer's tokens.
    pub decode: f64,
}

/// An answer and what it took.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The whole text.
    pub text: String,
    /// Its token ids, the stop id included.
    pub token_ids: Vec<u32>,
    /// Ids of the whole prompt; -200 stands for the picture.
    pub input_ids: Vec<i32>,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Tokens of the context that the prompt takes, the picture's included.
    pub prompt_tokens: usize,
    /// Of these, tokens that were computed in this turn; the others were in the cache.
    pub new_prompt_tokens: usize,
    /// The picture's tokens in the prompt.
    pub image_tokens: usize,
    /// Tokens of the answer.
    pub answer_tokens: usize,
    /// Passes of the vision tower in this turn.
    pub vision_passes: usize,
    /// Milliseconds.
    pub timings_ms: Timings,
    /// Of the answer, excluding the prefill.
    pub tokens_per_second: f64,
    /// The device's name.
    pub device: String,
    /// A remark on the question, if the model has a narrow scope ([`crate::config::Scope`]). The text is the
    /// remark's, unless the remark says that the model answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Remark", optional))]
    pub remark: Option<Remark>,
}

/// What is known of a picture once it is encoded.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureInfo {
    /// Pixels, after turning by its EXIF orientation.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Remarks for the user about how it was decoded.
    pub notices: Vec<String>,
    /// True if the model knows only one kind of picture and this is another kind: its answers are then unreliable
    /// ([`crate::config::Scope::warning`]).
    pub outside_scope: bool,
    /// Height of the resized picture, in pixels; INF-LLaVA's is a square.
    pub image_px: usize,
    /// Crops per side N of INF-LLaVA; 1 for other models.
    pub crops_per_side: usize,
    /// Passes of the vision tower that were run.
    pub vision_passes: usize,
    /// Milliseconds for these passes.
    pub vision_ms: f64,
}

impl PictureInfo {
    /// All that whoever asks about it should know, where the model knows pictures of `scope` only.
    pub fn told(self, scope: Option<Scope>) -> Vec<String> {
        let mut notices = self.notices;
        if let Some(scope) = scope.filter(|_| self.outside_scope) {
            notices.push(scope.warning().to_string());
        }
        notices
    }
}

/// What a loaded model is, and where it runs.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelInfo {
    /// What to call it.
    pub name: String,
    /// Where it runs.
    pub device: String,
    /// Why it is not the one that was looked for first, or slower than it could be.
    pub device_notice: Option<String>,
    /// Numbers of its weights.
    pub parameters: u64,
    /// As the files hold them.
    pub weights_bytes: u64,
    /// INF-LLaVA sees a picture in this many crops a side, each of `crop_px` pixels; 1 for other models.
    pub crops_per_side: usize,
    /// Side of a crop.
    pub crop_px: usize,
    /// Height of the resized picture; INF-LLaVA's is a square.
    pub image_px: usize,
    /// Tokens of the context that a picture takes.
    pub image_tokens: usize,
    /// The most pictures of a conversation; null where the context alone limits them.
    pub most_pictures: Option<usize>,
    /// Whether pictures can be looked at more or less closely.
    pub has_detail: bool,
    /// Whether a picture's visual tokens are a map of its padded square, row by row: then attention can be drawn over it.
    pub has_map: bool,
    /// Whether it sees videos too.
    pub sees_videos: bool,
    /// Tokens of the context.
    pub context_tokens: usize,
    /// Ids of tokens.
    pub vocabulary: usize,
    /// It was not trained: its answers mean nothing.
    pub random_weights: bool,
    /// The one kind of picture that the model knows; null for a general model.
    #[cfg_attr(test, ts(type = "Scope | null"))]
    pub scope: Option<Scope>,
}

/// Where the enhancement (DEM) looked in a picture, as the mean over heads and queries. What does not exist in a
/// configuration is empty.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EnhancementAttention {
    /// Within each tile, for every position of the map: `[N h, N h]`; each tile sums to 1.
    pub detail: Vec<f32>,
    /// Over the whole picture: `[h, h]`, sums to 1.
    pub overview: Vec<f32>,
}
