//! What kind of picture a model knows, and which questions, where that is one kind only.

mod language;
pub mod question;
pub mod wording;

use serde::{Deserialize, Serialize};

use self::question::{Known, known};
use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::image::{Picture, looks_drawn};

/// `inf_llava.scope` in config.json: the one kind of picture that a small model has learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Drawings of the kind that `inf-llava scenes` makes: figures, signs, bar charts.
    DrawnScenes,
}

impl Scope {
    pub(super) fn from_name(name: &str) -> Result<Self> {
        match name {
            "drawn_scenes" => Ok(Scope::DrawnScenes),
            other => Err(Error::config(
                CONFIG_FILE,
                format!(
                    "inf_llava.scope is {other:?}; supported: drawn_scenes, or no entry for a general model"
                ),
            )),
        }
    }

    /// The kind of picture, in a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Scope::DrawnScenes => "drawings: figures, signs, bar charts",
        }
    }

    /// Whether `picture` looks like one of this kind.
    pub fn covers(self, picture: &Picture) -> bool {
        match self {
            Scope::DrawnScenes => looks_drawn(picture),
        }
    }

    /// What to say before the answer about a picture of another kind.
    pub fn warning(self) -> &'static str {
        match self {
            Scope::DrawnScenes => {
                "This picture does not look like the drawings (figures, signs, bar charts) that this small model knows: its answers will mean little. For photographs, load the full model with --model."
            }
        }
    }

    /// Questions that a model of this kind answers well, whatever the picture.
    pub fn examples(self) -> &'static [&'static str] {
        match self {
            Scope::DrawnScenes => &[
                "How many shapes are there?",
                "Is there a red circle in the picture?",
                "What does the sign say?",
                "What colour is the tallest bar?",
            ],
        }
    }

    /// `question` as the model has learnt it: without differences that are none to whoever asks, such as capitals or
    /// "please". What it has not learnt stays as it is.
    pub fn as_learnt(self, question: &str) -> String {
        match (self, known(question)) {
            (Scope::DrawnScenes, Known::Learnt(learnt)) => learnt,
            _ => question.to_string(),
        }
    }

    /// What must be said of `question` instead of an answer, or beside it; nothing of one that the model has learnt and
    /// that is about a picture.
    pub fn remark(self, question: &str, has_picture: bool) -> Option<Remark> {
        if !has_picture {
            return Some(self.remark_of(RemarkCode::NeedsPicture, false));
        }
        match known(question) {
            Known::Learnt(_) => None,
            Known::InItsWords => Some(self.remark_of(RemarkCode::UnlikeQuestions, true)),
            Known::No if language::is_foreign(question) => {
                Some(self.remark_of(RemarkCode::NotEnglish, false))
            }
            Known::No => Some(self.remark_of(RemarkCode::UnlikeQuestions, false)),
        }
    }

    fn remark_of(self, code: RemarkCode, answered: bool) -> Remark {
        let what = match (code, answered) {
            (RemarkCode::NeedsPicture, _) => {
                "Please choose a picture first. This small model answers questions about drawings of figures, signs and bar charts, and about nothing else."
            }
            (RemarkCode::NotEnglish, _) => {
                "Please ask in English: this small model knows no other language."
            }
            (RemarkCode::UnlikeQuestions, false) => {
                "This small model has not learnt to answer that. It knows the figures, signs and bar charts of a drawing: ask about one thing at a time."
            }
            (RemarkCode::UnlikeQuestions, true) => {
                "This small model has not learnt to answer a question that is put like this: the answer may be wrong."
            }
        };
        let quoted: Vec<String> = self.examples().iter().map(|e| format!("\"{e}\"")).collect();
        Remark {
            code,
            answered,
            text: format!("{what} Questions that work: {}", quoted.join(", ")),
            examples: self.examples().iter().map(|e| e.to_string()).collect(),
        }
    }
}

/// What must be said of a question that a model of narrow scope was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// What it is.
    pub code: RemarkCode,
    /// Whether the model answered all the same; else `text` stands in the place of an answer.
    pub answered: bool,
    /// In English.
    pub text: String,
    /// Questions that work.
    pub examples: Vec<String>,
}

/// The kinds of remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkCode {
    /// There is no picture to answer about.
    NeedsPicture,
    /// The question is in another language than the model's.
    NotEnglish,
    /// The model has not learnt to answer such a question.
    UnlikeQuestions,
}
