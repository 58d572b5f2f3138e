//! The finished turns of a conversation, from which the next prompt is made.

use crate::request::Exchange;

/// A question with its answer.
pub(super) struct Turn {
    /// As it was typed.
    pub question: String,
    /// What was answered.
    pub answer: TurnAnswer,
}

/// An answer.
pub(super) enum TurnAnswer {
    /// As it was generated.
    Ids(Vec<u32>),
    /// Where its ids are not known.
    Text(String),
}

impl Turn {
    /// As whoever shows the conversation keeps it.
    pub fn of(exchange: &Exchange) -> Self {
        Turn {
            question: exchange.question.clone(),
            answer: match &exchange.token_ids {
                Some(ids) => TurnAnswer::Ids(ids.clone()),
                None => TurnAnswer::Text(exchange.text.clone()),
            },
        }
    }
}

/// A question with its answer, where they are kept.
pub(super) struct TurnRef<'a> {
    pub question: &'a str,
    pub answer: TurnAnswerRef<'a>,
}

/// An answer, where it is kept.
pub(super) enum TurnAnswerRef<'a> {
    Ids(&'a [u32]),
    Text(&'a str),
}

impl<'a> From<&'a Turn> for TurnRef<'a> {
    fn from(turn: &'a Turn) -> Self {
        let answer = match &turn.answer {
            TurnAnswer::Ids(ids) => TurnAnswerRef::Ids(ids),
            TurnAnswer::Text(text) => TurnAnswerRef::Text(text),
        };
        TurnRef {
            question: &turn.question,
            answer,
        }
    }
}

impl<'a> From<&'a Exchange> for TurnRef<'a> {
    fn from(exchange: &'a Exchange) -> Self {
        let answer = match &exchange.token_ids {
            Some(ids) => TurnAnswerRef::Ids(ids),
            None => TurnAnswerRef::Text(&exchange.text),
        };
        TurnRef {
            question: &exchange.question,
            answer,
        }
    }
}
