//! An answer in the shapes of OpenAI's chat completions: whole, or as chunks of a stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::write_json;
use crate::config::Remark;
use crate::generate::generation::StopReason;
use crate::platform;

/// Why an answer ended, in OpenAI's words.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model ended it, a stop text came, or whoever asked had enough.
    Stop,
    /// It is as long as was asked for, or as there is room for.
    Length,
}

impl From<StopReason> for FinishReason {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Length | StopReason::Context => FinishReason::Length,
            StopReason::Stop | StopReason::Stopped => FinishReason::Stop,
        }
    }
}

/// How an answer ended, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// Why it ended.
    pub reason: FinishReason,
    /// What it took.
    pub usage: Usage,
    /// What should be known of the picture before the answer is believed.
    pub notices: Vec<String>,
    /// What must be said of the question.
    pub remark: Option<Remark>,
}

/// What an answer took, in tokens.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Of the context that the prompt takes, the picture's included.
    pub prompt_tokens: usize,
    /// Of the answer.
    pub completion_tokens: usize,
    /// Both.
    pub total_tokens: usize,
    /// Of the prompt's.
    pub prompt_tokens_details: PromptTokens,
}

/// Parts of a prompt, in tokens.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PromptTokens {
    /// Those that were not computed anew.
    pub cached_tokens: usize,
    /// The picture's. Not OpenAI's.
    pub image_tokens: usize,
}

/// Who speaks, and what: a whole message.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Said {
    /// `assistant`
    #[cfg_attr(test, ts(type = "'assistant'"))]
    pub role: &'static str,
    /// The answer.
    pub content: String,
    /// Always null: what a model does not want to say it says in its answer.
    #[cfg_attr(test, ts(type = "null"))]
    pub refusal: Option<String>,
}

/// The one answer of a completion.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionChoice {
    /// 0
    #[cfg_attr(test, ts(type = "0"))]
    pub index: u32,
    /// The answer.
    pub message: Said,
    /// Always null.
    #[cfg_attr(test, ts(type = "null"))]
    pub logprobs: Option<()>,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// A whole answer.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completion {
    /// No other answer's.
    pub id: String,
    /// `chat.completion`
    #[cfg_attr(test, ts(type = "'chat.completion'"))]
    pub object: &'static str,
    /// Seconds since 1970.
    pub created: u64,
    /// Which model answered.
    pub model: String,
    /// One.
    pub choices: [CompletionChoice; 1],
    /// What it took.
    pub usage: Usage,
    /// Not OpenAI's: what should be known of the picture before the answer is believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(as = "Option<Vec<String>>", optional))]
    pub notices: Vec<String>,
    /// Not OpenAI's: what must be said of the question, where the model is of narrow scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Remark", optional))]
    pub remark: Option<Remark>,
}

/// What a chunk adds to the message.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Delta {
    /// `assistant`, in the first chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "'assistant'", optional))]
    pub role: Option<&'static str>,
    /// The next characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub content: Option<String>,
}

/// The one answer of a chunk.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChunkChoice {
    /// 0
    #[cfg_attr(test, ts(type = "0"))]
    pub index: u32,
    /// What is added.
    pub delta: Delta,
    /// Always null.
    #[cfg_attr(test, ts(type = "null"))]
    pub logprobs: Option<()>,
    /// Why the answer ended, in the chunk that ends it.
    pub finish_reason: Option<FinishReason>,
}

/// A part of a streamed answer.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionChunk {
    /// The same in all chunks of an answer.
    pub id: String,
    /// `chat.completion.chunk`
    #[cfg_attr(test, ts(type = "'chat.completion.chunk'"))]
    pub object: &'static str,
    /// Seconds since 1970.
    pub created: u64,
    /// Which model answers.
    pub model: String,
    /// One; none in the chunk behind the end that has the usage.
    pub choices: Vec<ChunkChoice>,
    /// Where the usage is wanted: null in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Usage | null", optional))]
    pub usage: Option<Option<Usage>>,
    /// Not OpenAI's; in the chunk that ends the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(as = "Option<Vec<String>>", optional))]
    pub notices: Vec<String>,
    /// Not OpenAI's; in the chunk that ends the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(type = "Remark", optional))]
    pub remark: Option<Remark>,
}

/// What all parts of one answer have in common.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// No other answer's.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// Which model answers.
    pub model: String,
    /// Of a stream: the last chunk tells what the answer took, so the others say that they do not.
    pub include_usage: bool,
}

impl Head {
    /// Of an answer that begins now. `number` is no other answer's of this program.
    pub fn new(number: u64, model: String, include_usage: bool) -> Self {
        let now = platform::since_1970();
        Head {
            id: format!("chatcmpl-{:x}-{number}", now.as_nanos()),
            created: now.as_secs(),
            model,
            include_usage,
        }
    }

    /// The whole answer.
    pub fn whole(&self, text: String, finish: &Finish) -> Completion {
        let message = Said {
            role: ASSISTANT,
            content: text,
            refusal: None,
        };
        Completion {
            id: self.id.clone(),
            object: "chat.completion",
            created: self.created,
            model: self.model.clone(),
            choices: [CompletionChoice {
                index: 0,
                message,
                logprobs: None,
                finish_reason: finish.reason,
            }],
            usage: finish.usage,
            notices: finish.notices.clone(),
            remark: finish.remark.clone(),
        }
    }

    /// The first chunk: who speaks.
    pub fn begin(&self) -> CompletionChunk {
        let delta = Delta {
            role: Some(ASSISTANT),
            content: Some(String::new()),
        };
        self.chunk(delta, None)
    }

    /// A chunk with the next characters.
    pub fn piece(&self, text: &str) -> CompletionChunk {
        let delta = Delta {
            content: Some(text.into()),
            ..Delta::default()
        };
        self.chunk(delta, None)
    }

    /// The chunk that says why the answer ended.
    pub fn end(&self, finish: &Finish) -> CompletionChunk {
        CompletionChunk {
            notices: finish.notices.clone(),
            remark: finish.remark.clone(),
            ..self.chunk(Delta::default(), Some(finish.reason))
        }
    }

    /// The chunk behind the end that says what the answer took, where that is wanted.
    pub fn usage(&self, finish: &Finish) -> Option<CompletionChunk> {
        self.include_usage.then(|| CompletionChunk {
            choices: Vec::new(),
            usage: Some(Some(finish.usage)),
            ..self.chunk(Delta::default(), None)
        })
    }

    fn chunk(&self, delta: Delta, finish_reason: Option<FinishReason>) -> CompletionChunk {
        CompletionChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk",
            created: self.created,
            model: self.model.clone(),
            choices: vec![ChunkChoice {
                index: 0,
                delta,
                logprobs: None,
                finish_reason,
            }],
            usage: self.include_usage.then_some(None),
            notices: Vec::new(),
            remark: None,
        }
    }
}

const ASSISTANT: &str = "assistant";

/// As JSON.
impl fmt::Display for Completion {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(self, text)
    }
}

/// As JSON.
impl fmt::Display for CompletionChunk {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(self, text)
    }
}
