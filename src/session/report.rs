//! What comes out of a turn, as JSON sees it too.

use serde::{Deserialize, Serialize};

use crate::config::Remark;
use crate::generate::generation::StopReason;
use crate::openai::{Finish, PromptTokens, Usage};

/// Milliseconds of the parts of a turn.
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
    /// Of the prompt's tokens, the picture's.
    pub image_tokens: usize,
    /// Tokens of the answer.
    pub answer_tokens: usize,
    /// Passes of the vision tower in this turn.
    pub vision_passes: usize,
    /// Milliseconds.
    pub timings_ms: Timings,
    /// Of the answer, without the prefill.
    pub tokens_per_second: f64,
    /// Where it ran.
    pub device: String,
    /// What must be said of the question where the model is of narrow scope ([`crate::config::Scope`]). The text is then
    /// the remark's, unless it says that the model answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
}

impl Answer {
    /// How it ended, as OpenAI's clients are told. `notices`: of the picture.
    pub fn finish(&self, notices: Vec<String>) -> Finish {
        Finish {
            reason: self.stop_reason.into(),
            usage: Usage {
                prompt_tokens: self.prompt_tokens,
                completion_tokens: self.answer_tokens,
                total_tokens: self.prompt_tokens + self.answer_tokens,
                prompt_tokens_details: PromptTokens {
                    cached_tokens: self.prompt_tokens - self.new_prompt_tokens,
                    image_tokens: self.image_tokens,
                },
            },
            notices,
            remark: self.remark.clone(),
        }
    }
}

/// What is known of a picture once it is encoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureInfo {
    /// Pixels, after turning by its EXIF orientation.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// What the user should know about how it was read.
    pub notices: Vec<String>,
    /// True where the model knows one kind of picture only and this is of another: its answers then
    /// mean little ([`crate::config::Scope::warning`]).
    pub outside_scope: bool,
    /// Side of the resized square.
    pub image_px: usize,
    /// N.
    pub crops_per_side: usize,
    /// Passes of the vision tower that it took.
    pub vision_passes: usize,
    /// Milliseconds of these.
    pub vision_ms: f64,
}
