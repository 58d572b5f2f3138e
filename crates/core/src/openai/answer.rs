//! An answer as OpenAI's clients are told it.

use serde::Serialize;

use super::{Completion, CompletionChunk, Finish, Head, PromptTokens, Usage};
use crate::progress::Event;
use crate::reply::Answer;

/// What is told while an answer is made, and the chunk that tells it.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionEvent {
    /// As of any answer.
    #[serde(flatten)]
    pub event: Event,
    /// Of a piece with characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub chunk: Option<CompletionChunk>,
}

impl CompletionEvent {
    /// Of the answer that `head` belongs to.
    pub fn new(head: &Head, event: Event) -> Self {
        let chunk = match &event {
            Event::Piece { text, .. } if !text.is_empty() => Some(head.piece(text)),
            _ => None,
        };
        CompletionEvent { event, chunk }
    }
}

/// An answer with what is told at its end.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completed {
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// All of it in one.
    pub completion: Completion,
    /// The chunk behind the last piece.
    pub end: CompletionChunk,
    /// The chunk behind that, where it is wanted.
    pub usage: Option<CompletionChunk>,
}

impl Answer {
    /// How it ended. `notices`: of the picture.
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

    /// With what is told at its end. `notices`: of the picture.
    pub fn completed(self, head: &Head, notices: Vec<String>) -> Completed {
        let finish = self.finish(notices);
        Completed {
            completion: head.whole(self.text.clone(), &finish),
            end: head.end(&finish),
            usage: head.usage(&finish),
            answer: self,
        }
    }
}
