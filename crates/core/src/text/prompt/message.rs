//! What a conversation is made of.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::sequence::{self, MediaId};
use crate::spec::Run;
use crate::text::tokenizer::Tokenizer;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What a model is told before anything is asked.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// As templates call it.
    pub fn name(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// What was said at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// By whom.
    pub role: Role,
    /// In order.
    pub parts: Vec<Part<'a>>,
}

impl<'a> Message<'a> {
    /// A text and nothing else.
    pub fn text(role: Role, text: impl Into<Cow<'a, str>>) -> Self {
        Message {
            role,
            parts: vec![Part::Text(text.into())],
        }
    }

    /// An answer as it was generated.
    pub fn generated(ids: impl Into<Cow<'a, [u32]>>) -> Self {
        Message {
            role: Role::Assistant,
            parts: vec![Part::Ids(ids.into())],
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part<'a> {
    /// Anybody's text.
    Text(Cow<'a, str>),
    /// A text by the ids that it was generated with, control tokens at its end included.
    Ids(Cow<'a, [u32]>),
    /// A picture or a video.
    Media(Media),
}

/// What a placeholder may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A video.
    Video,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Which placeholder it has.
    pub kind: MediaKind,
    /// What stands in the place of the placeholder: most models' single run of visual tokens, or runs with words of the
    /// model's own around them, where a picture's layout is told.
    pub pieces: Vec<Piece>,
}

impl Media {
    /// What `runs`, of the layout of the picture or video `id`, come to in a prompt.
    pub fn new(kind: MediaKind, id: MediaId, runs: &[Run]) -> Self {
        let mut first = 0;
        let pieces = runs.iter().map(|run| match run {
            Run::Words(words) => Piece::Words(words.clone()),
            Run::Tokens(tokens) => {
                let run = sequence::Media {
                    id,
                    first,
                    tokens: *tokens,
                };
                first += tokens;
                Piece::Media(run)
            }
        });
        Media {
            kind,
            pieces: pieces.collect(),
        }
    }

    /// A picture of one run of visual tokens.
    pub fn image(media: sequence::Media) -> Self {
        Media {
            kind: MediaKind::Image,
            pieces: vec![Piece::Media(media)],
        }
    }
}

/// A piece of what stands for a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// The model's own words, in which control tokens mean something. Never a user's.
    Words(String),
    /// A run of visual tokens.
    Media(sequence::Media),
}

/// How a template says where pictures go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholders {
    /// For a picture.
    pub image: String,
    /// For a video.
    pub video: String,
}

impl Default for Placeholders {
    fn default() -> Self {
        Placeholders {
            image: "<image>".into(),
            video: "<video>".into(),
        }
    }
}

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Tokens of context.
    pub context_tokens: usize,
}

impl Room {
    /// Whether so many tokens fit, with one more for the answer.
    ///
    /// # Errors
    /// [`Error::ContextExceeded`].
    pub fn check(self, tokens: usize) -> Result<()> {
        self.needs(tokens + 1)
    }

    /// A book pasted by mistake is refused before the tokenizer spends seconds on it.
    ///
    /// # Errors
    /// [`Error::ContextExceeded`].
    pub fn check_bytes(self, bytes: usize) -> Result<()> {
        self.needs(bytes / Tokenizer::MAX_TOKEN_BYTES)
    }

    fn needs(self, needed_tokens: usize) -> Result<()> {
        match needed_tokens > self.context_tokens {
            true => Err(Error::ContextExceeded {
                needed_tokens,
                context_tokens: self.context_tokens,
                hint: String::new(),
            }),
            false => Ok(()),
        }
    }
}
