//! The prompt of a conversation's next question.

use std::cell::Cell;

use super::Session;
use super::turn::{Asked, TurnAnswerRef, TurnRef};
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::sequence::Sequence;
use crate::text::prompt::{Message, Part, Role, Room};

impl Session {
    /// What fits into the context.
    pub(super) fn room(&self) -> Room {
        Room {
            context_tokens: self.model.context_tokens,
        }
    }

    /// The sequence of what is `asked` after what was said `before`, up to where the answer begins; what comes from
    /// outside is left as soon as there is no `room` for it. Stop is heard while long texts are encoded.
    ///
    /// # Errors
    /// As [`crate::text::prompt::Prompt::sequence`]; [`Error::Option`] for an id that is not in the vocabulary;
    /// [`Error::PictureNotHeld`].
    pub(super) async fn prompt<'a>(
        &self,
        before: impl Iterator<Item = TurnRef<'a>>,
        asked: Asked<'a>,
        is_only: bool,
        room: Room,
        watch: &mut Watch<'_>,
    ) -> Result<Sequence> {
        let told = Some(self.system.as_str()).filter(|system| !system.trim().is_empty());
        let has_place = self.model.prompt.has_system();
        let system = told.filter(|_| has_place);
        let system = system.map(|system| Ok(Message::text(Role::System, system)));
        // A model of narrow scope would not know its questions any more.
        let can_fold = self.model.config.scope.is_none();
        let folded = Cell::new(told.filter(|_| !has_place && can_fold));
        let vocabulary = self.model.config.decoder.vocab_size;
        let ask = |asked: Asked<'a>| {
            // A book pasted by mistake is left before anything is done with it.
            self.room().check_bytes(asked.question.len())?;
            let mut parts = self.parts(&asked, is_only)?;
            if let Some(system) = folded.take() {
                let first = parts.iter_mut().find_map(|part| match part {
                    Part::Text(text) => Some(text),
                    _ => None,
                });
                if let Some(text) = first {
                    *text = format!("{system}\n\n{text}").into();
                }
            }
            let role = Role::User;
            Ok(Message { role, parts })
        };
        let answer = |answer: TurnAnswerRef<'a>| match answer {
            TurnAnswerRef::Ids(ids) => {
                checked_ids("token_ids", ids, vocabulary).map(Message::generated)
            }
            TurnAnswerRef::Text(text) => Ok(Message::text(Role::Assistant, text)),
        };
        let before = before.flat_map(|turn| [ask(turn.asked), answer(turn.answer)]);
        let messages = before.chain(std::iter::once_with(|| ask(asked)));
        let prompt = &self.model.prompt;
        let messages = system.into_iter().chain(messages);
        prompt
            .sequence(&self.model.tokenizer, messages, room, watch)
            .await
    }

    /// A question's text and pictures in their order.
    fn parts<'a>(&self, asked: &Asked<'a>, is_only: bool) -> Result<Vec<Part<'a>>> {
        let question = asked.question;
        let mut parts = Vec::with_capacity(asked.pictures.len() + 1);
        let mut done = 0;
        for look in &asked.pictures {
            let Some(text) = question.get(done..look.at) else {
                return Err(Error::Option {
                    option: "pictures".into(),
                    reason: format!(
                        "one stands behind {} bytes of a question of {}, where no character begins",
                        look.at,
                        question.len()
                    ),
                });
            };
            if !text.is_empty() {
                parts.push(Part::Text(text.into()));
            }
            done = look.at;
            let treatment = self.treatment_of(look.kind, is_only, look.detail);
            let held = self.pictures.get_as(look.picture, treatment);
            let held = held.ok_or_else(|| Error::PictureNotHeld {
                key: format!("{:?}", look.picture),
            })?;
            parts.push(Part::Media(held.encoded.media()));
        }
        let text = &question[done..];
        parts.push(Part::Text(match done {
            0 => self.as_learnt(question),
            // The line end is there for templates that put all pictures first.
            _ => text.strip_prefix('\n').unwrap_or(text).into(),
        }));
        Ok(parts)
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
