//! The prompt of a conversation's next question.

use std::cell::Cell;

use super::Session;
use super::turn::{TurnAnswerRef, TurnRef};
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::sequence::Sequence;
use crate::text::prompt::{Media, Message, Part, Role, Room};

impl Session {
    /// What fits into the context.
    pub(super) fn room(&self) -> Room {
        Room {
            context_tokens: self.model.context_tokens,
        }
    }

    /// The sequence of `question` after what was said `before`, up to where the answer begins; what comes from outside is
    /// left as soon as there is no `room` for it. Stop is heard while long texts are encoded.
    ///
    /// # Errors
    /// As [`crate::text::prompt::Prompt::sequence`]; [`Error::Option`] for an id that is not in the vocabulary.
    pub(super) async fn prompt<'a>(
        &self,
        before: impl Iterator<Item = TurnRef<'a>>,
        question: &'a str,
        room: Room,
        watch: &mut Watch<'_>,
    ) -> Result<Sequence> {
        let vocabulary = self.model.config.decoder.vocab_size;
        let is_first = Cell::new(true);
        let ask = |question: &'a str| {
            // A book pasted by mistake is left before anything is done with it.
            self.room().check_bytes(question.len())?;
            let picture = self.picture.filter(|_| is_first.replace(false));
            let picture = picture.map(|media| Part::Media(Media::image(media)));
            let text = Part::Text(self.as_learnt(question));
            Ok(Message {
                role: Role::User,
                parts: picture.into_iter().chain([text]).collect(),
            })
        };
        let answer = |answer: TurnAnswerRef<'a>| match answer {
            TurnAnswerRef::Ids(ids) => {
                checked_ids("token_ids", ids, vocabulary).map(Message::generated)
            }
            TurnAnswerRef::Text(text) => Ok(Message::text(Role::Assistant, text)),
        };
        let before = before.flat_map(|turn| [ask(turn.question), answer(turn.answer)]);
        let messages = before.chain(std::iter::once_with(|| ask(question)));
        let prompt = &self.model.prompt;
        prompt
            .sequence(&self.model.tokenizer, messages, room, watch)
            .await
    }
}

/// Ids that come from outside.
///
/// # Errors
/// [`Error::Option`] for one that is not in the vocabulary.
pub(super) fn checked_ids<'a>(
    option: &str,
    ids: &'a [u32],
    vocabulary: usize,
) -> Result<&'a [u32]> {
    match ids.iter().find(|&&id| id as usize >= vocabulary) {
        None => Ok(ids),
        Some(id) => Err(Error::Option {
            option: option.into(),
            reason: format!("{id} is not in the vocabulary of {vocabulary}"),
        }),
    }
}
