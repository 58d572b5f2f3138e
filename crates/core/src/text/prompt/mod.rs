//! A conversation -> the sequence that a model is asked with.
//!
//! In: messages, of texts, answers and pictures. Out: ids, and the pictures where they go. It must not know how ids become
//! vectors. There are two kinds: the release's own prompt, and the template that a checkpoint brings along.

mod begin;
mod bounds;
mod choice;
pub mod conv_llama3;
mod cut;
mod found;
mod jinja;
mod marks;
mod message;
mod original;
mod template;

pub use begin::begin_ids;
pub use choice::PromptChoice;
pub use found::{Found, PROMPT_FILES, PromptFile, read_prompt};
pub use message::{Media, MediaKind, Message, Part, Piece, Placeholders, Role, Room};
pub use original::conversation;
pub use template::{NamedTokens, Template};

use super::tokenizer::Tokenizer;
use crate::error::Result;
use crate::progress::Watch;
use crate::sequence::Sequence;

/// How conversations become sequences.
#[derive(Debug)]
pub enum Prompt {
    /// The release's `conv_llama3`.
    ConvLlama3 {
        /// `config.json`'s `bos_token_id`.
        bos: u32,
    },
    /// A template in Jinja.
    Template(Box<Template>),
}

impl Prompt {
    /// What to call it: `conv_llama3`, or the template's file.
    pub fn name(&self) -> &str {
        match self {
            Prompt::ConvLlama3 { .. } => conv_llama3::NAME,
            Prompt::Template(template) => template.file(),
        }
    }

    /// Whether it has a place for what a model is told before anything is asked. If not, a system message goes in front of
    /// the first question.
    pub fn has_system(&self) -> bool {
        match self {
            Prompt::ConvLlama3 { .. } => false,
            Prompt::Template(template) => template.has_system(),
        }
    }

    /// The sequence of a conversation up to where the next answer begins. The last message is a question. `conv_llama3` keeps
    /// the ids of earlier answers as they were generated; a template makes everything anew, so what it gives need not begin
    /// with what it gave before.
    ///
    /// A message is taken when those before it have been looked at, so that a conversation of a million is left as
    /// soon as it cannot fit. Stop is heard while long texts are encoded.
    ///
    /// # Errors
    /// The first that `messages` gives; [`crate::Error::EmptyQuestion`]; [`crate::Error::ContextExceeded`];
    /// [`crate::Error::Tokenizer`]; [`crate::Error::Config`] where a template fails, or does not say what was said;
    /// [`crate::Error::Stopped`].
    pub async fn sequence<'a>(
        &self,
        tokenizer: &Tokenizer,
        messages: impl Iterator<Item = Result<Message<'a>>>,
        room: Room,
        watch: &mut Watch<'_>,
    ) -> Result<Sequence> {
        match self {
            Prompt::ConvLlama3 { bos } => {
                conv_llama3::sequence(tokenizer, *bos, messages, room, watch).await
            }
            Prompt::Template(template) => template.sequence(tokenizer, messages, room, watch).await,
        }
    }

    /// The id that ends an answer; `stop_ids` are those that do by the model's files, the first one first.
    ///
    /// # Errors
    /// [`crate::Error::Tokenizer`] where there is none.
    pub fn end(&self, tokenizer: &Tokenizer, stop_ids: &[u32]) -> Result<u32> {
        match (self, stop_ids) {
            (Prompt::Template(_), [end, ..]) => Ok(*end),
            _ => conv_llama3::end_of_turn_id(tokenizer),
        }
    }

    /// The ids of an answer that is known as text, as they would stand behind such a sequence. Text that looks like a control
    /// token stays text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_user`].
    pub fn answer(&self, tokenizer: &Tokenizer, answer: &str) -> Result<Vec<u32>> {
        tokenizer.encode_user(answer)
    }
}
