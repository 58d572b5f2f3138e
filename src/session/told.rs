//! What was said in a conversation, of which the next prompt is made.

use crate::request::Exchange;

/// A question with its answer.
pub(super) struct Told {
    /// As it was typed.
    pub question: String,
    /// What was answered.
    pub answer: Said,
}

/// An answer.
pub(super) enum Said {
    /// As it was generated.
    Ids(Vec<u32>),
    /// Where its ids are not known.
    Text(String),
}

impl Told {
    /// As whoever shows the conversation keeps it.
    pub fn of(exchange: &Exchange) -> Self {
        Told {
            question: exchange.question.clone(),
            answer: match &exchange.token_ids {
                Some(ids) => Said::Ids(ids.clone()),
                None => Said::Text(exchange.text.clone()),
            },
        }
    }
}

/// A question with its answer, where they are kept.
pub(super) type Borrowed<'a> = (&'a str, Answered<'a>);

/// An answer, where it is kept.
pub(super) enum Answered<'a> {
    Ids(&'a [u32]),
    Text(&'a str),
}

impl<'a> From<&'a Told> for Borrowed<'a> {
    fn from(told: &'a Told) -> Self {
        let answer = match &told.answer {
            Said::Ids(ids) => Answered::Ids(ids),
            Said::Text(text) => Answered::Text(text),
        };
        (&told.question, answer)
    }
}

impl<'a> From<&'a Exchange> for Borrowed<'a> {
    fn from(exchange: &'a Exchange) -> Self {
        let answer = match &exchange.token_ids {
            Some(ids) => Answered::Ids(ids),
            None => Answered::Text(&exchange.text),
        };
        (&exchange.question, answer)
    }
}
