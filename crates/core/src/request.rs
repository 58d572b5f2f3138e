//! A conversation that the caller stores and sends with each question: a page, or a client of the server.
//!
//! In: JSON from outside. Out: the request. It must not depend on the model, so that it builds without one.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::generate::Sampling;
use crate::spec::Detail;

/// How to answer.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AskOptions {
    /// How the next token is chosen.
    #[serde(flatten)]
    pub sampling: Sampling,
    /// The most tokens of an answer.
    pub max_new_tokens: usize,
    /// Texts that end an answer and are not part of it. None may be empty.
    pub stop: Vec<String>,
    /// Ask a model of narrow scope also what it has not learnt to answer, and without a picture: for whoever measures
    /// what it says then. See `session::Answer::remark`.
    pub anyway: bool,
}

impl AskOptions {
    /// # Errors
    /// [`Error::Option`] for invalid settings, with the option's name: as [`Sampling::validate`], a limit of 0
    /// tokens, whose empty answer would look like the model's, and empty stop texts.
    pub fn validate(&self) -> Result<()> {
        self.sampling.validate()?;
        let refused = |option: &str, reason: &str| {
            Err(Error::Option {
                option: option.into(),
                reason: reason.into(),
            })
        };
        if self.max_new_tokens == 0 {
            return refused("max_new_tokens", "it is 0 and must be at least 1");
        }
        match self.stop.iter().any(String::is_empty) {
            true => refused("stop", "an empty text would end every answer at once"),
            false => Ok(()),
        }
    }
}

impl Default for AskOptions {
    fn default() -> Self {
        AskOptions {
            sampling: Sampling::default(),
            max_new_tokens: 512,
            stop: Vec::new(),
            anyway: false,
        }
    }
}

/// A picture that is shown with a question.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shown {
    /// Its key (`session::Shared::read_picture`).
    pub key: String,
    /// Bytes of the question in front of it. Most templates put pictures before the text whatever this is.
    pub at: usize,
    /// How closely it is looked at: `low`, `auto`, `high`, or the most visual tokens.
    #[cfg_attr(test, ts(type = "'low' | 'auto' | 'high' | number"))]
    pub detail: Detail,
}

impl Shown {
    /// In front of the question.
    pub fn first(key: impl Into<String>) -> Self {
        Shown {
            key: key.into(),
            ..Shown::default()
        }
    }
}

/// A question with its answer.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exchange {
    /// The pictures that were shown with the question.
    pub pictures: Vec<Shown>,
    /// As the user typed it.
    pub question: String,
    /// The answer as `session::Answer::token_ids`: the next answer is then what it would have been
    /// without an interruption.
    #[cfg_attr(test, ts(optional = nullable))]
    pub token_ids: Option<Vec<u32>>,
    /// The answer's text, if its ids are not known. Text that looks like a control token is treated as text.
    pub text: String,
}

/// A question, with all that it depends on.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ReplyRequest"))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// What the model is told before anything is asked; empty for nothing.
    pub system: String,
    /// The earlier exchanges.
    pub before: Vec<Exchange>,
    /// The pictures that are shown with the question.
    pub pictures: Vec<Shown>,
    /// The question.
    pub question: String,
    /// The first ids of an interrupted answer, which is continued.
    pub begun: Vec<u32>,
    /// Options of the answer.
    pub options: AskOptions,
}

impl Request {
    /// Shows the picture `key` with the conversation's first question.
    pub fn show_first(&mut self, key: &str) {
        let first = self.before.first_mut().map(|first| &mut first.pictures);
        first.unwrap_or(&mut self.pictures).push(Shown::first(key));
    }

    /// Every picture of the conversation, in order.
    pub fn all_pictures(&self) -> impl Iterator<Item = &Shown> {
        let before = self.before.iter().flat_map(|exchange| &exchange.pictures);
        before.chain(&self.pictures)
    }
}
