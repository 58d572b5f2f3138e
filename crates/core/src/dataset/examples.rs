//! Converts entries to token ids and finds those that are too long.

use super::conversation::{Example, Template, example};
use super::{OnBadRecord, Reason, Record, Records};
use crate::sequence::Media;
use crate::text::Tokenizer;
use crate::{Error, Result};

/// Length limits. The release truncates longer sequences silently; here they are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Tokens of one answer, without its closing token.
    pub answer_tokens: usize,
    /// Tokens of the whole sequence, including the picture's.
    pub conversation_tokens: usize,
    /// The tokens that a picture takes in a sequence.
    pub picture: Media,
}

impl Records {
    /// Encodes every entry, and skips (or refuses) those that do not fit the template or `limits`.
    /// Entries skipped earlier stay counted.
    ///
    /// # Errors
    /// [`Error::BadRecord`] if `on_bad` is [`OnBadRecord::Refuse`]; [`Error::Tokenizer`] for a
    /// fault of the tokenizer rather than of an entry.
    pub fn examples(
        &mut self,
        tokenizer: &Tokenizer,
        bos: u32,
        template: Template,
        limits: &Limits,
        on_bad: OnBadRecord,
    ) -> Result<Vec<(Record, Example)>> {
        let mut examples = Vec::with_capacity(self.records.len());
        for record in std::mem::take(&mut self.records) {
            match encode(&record, tokenizer, bos, template, limits)? {
                Ok(example) => examples.push((record, example)),
                Err(reason) => self.skip(record.id, reason, on_bad)?,
            }
        }
        Ok(examples)
    }
}

/// The entry's example, or the reason why it cannot be used.
fn encode(
    record: &Record,
    tokenizer: &Tokenizer,
    bos: u32,
    template: Template,
    limits: &Limits,
) -> Result<Result<Example, Reason>> {
    let limit = limits.answer_tokens;
    for turn in &record.turns {
        // A lower bound on the tokens, so that an answer the size of a book is refused before it is
        // tokenized, which would take seconds.
        let mut tokens = turn.answer.len() / Tokenizer::MAX_TOKEN_BYTES;
        if tokens <= limit {
            tokens = tokenizer.encode_user(&turn.answer)?.len();
        }
        if tokens > limit {
            return Ok(Err(Reason::AnswerTooLong { tokens, limit }));
        }
    }
    let limit = limits.conversation_tokens;
    let bytes: usize = record.turns.iter().map(|turn| turn.question.len()).sum();
    let at_least = bytes / Tokenizer::MAX_TOKEN_BYTES;
    if template == Template::Llama3 && at_least > limit {
        let tokens = at_least;
        return Ok(Err(Reason::ConversationTooLong { tokens, limit }));
    }
    let example = match example(
        tokenizer,
        bos,
        template,
        &record.turns,
        record.image.is_some().then_some(limits.picture),
    ) {
        Ok(example) => example,
        Err(Error::Example { reason }) => return Ok(Err(Reason::Template(reason))),
        Err(error) => return Err(error),
    };
    let tokens = example.sequence.len();
    match tokens > limit {
        true => Ok(Err(Reason::ConversationTooLong { tokens, limit })),
        false => Ok(Ok(example)),
    }
}
