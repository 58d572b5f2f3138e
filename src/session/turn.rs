//! The finished turns of a conversation, from which the next prompt is made.

use crate::request::Exchange;
use crate::sequence::MediaId;
use crate::spec::Detail;
use crate::text::prompt::MediaKind;

/// A picture or a video that is shown with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// Which.
    pub picture: MediaId,
    /// Whether it is a picture or a video.
    pub kind: MediaKind,
    /// Bytes of the question in front of it.
    pub at: usize,
    /// How closely it is looked at.
    pub detail: Detail,
}

impl Look {
    /// In front of the question, as closely as the model was released.
    pub fn first(picture: MediaId, kind: MediaKind) -> Self {
        Look {
            picture,
            kind,
            at: 0,
            detail: Detail::Auto,
        }
    }
}

/// Whether there is one picture among these; videos are none.
pub(super) fn is_only(looks: &[Look]) -> bool {
    let pictures = looks.iter().filter(|look| look.kind == MediaKind::Image);
    pictures.count() == 1
}

/// A question with its answer.
pub(super) struct Turn {
    /// What was shown with the question.
    pub pictures: Vec<Look>,
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

/// A question, where it is kept.
pub(super) struct Asked<'a> {
    pub pictures: Vec<Look>,
    pub question: &'a str,
}

/// A question with its answer, where they are kept.
pub(super) struct TurnRef<'a> {
    pub asked: Asked<'a>,
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
            asked: Asked {
                pictures: turn.pictures.clone(),
                question: &turn.question,
            },
            answer,
        }
    }
}

impl<'a> TurnRef<'a> {
    /// As whoever shows the conversation keeps it, with what was shown.
    pub fn new(exchange: &'a Exchange, pictures: Vec<Look>) -> Self {
        TurnRef {
            asked: Asked {
                pictures,
                question: &exchange.question,
            },
            answer: match &exchange.token_ids {
                Some(ids) => TurnAnswerRef::Ids(ids),
                None => TurnAnswerRef::Text(&exchange.text),
            },
        }
    }

    /// To keep it.
    pub fn to_turn(&self) -> Turn {
        Turn {
            pictures: self.asked.pictures.clone(),
            question: self.asked.question.into(),
            answer: match self.answer {
                TurnAnswerRef::Ids(ids) => TurnAnswer::Ids(ids.to_vec()),
                TurnAnswerRef::Text(text) => TurnAnswer::Text(text.into()),
            },
        }
    }
}
