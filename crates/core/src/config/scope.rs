//! The scope of a model that was trained on one kind of picture and question only.

mod language;
pub mod question;
pub mod wording;

use serde::{Deserialize, Serialize};

use self::question::{Known, known};
use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::image::{Picture, looks_drawn};

/// `inf_llava.scope` in config.json: the only kind of picture that a small model was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Drawings as made by `inf-llava scenes`: figures, signs, bar charts.
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

    /// A short description of the kind of picture.
    pub fn describe(self) -> &'static str {
        match self {
            Scope::DrawnScenes => "drawings: figures, signs, bar charts",
        }
    }

    /// Whether `picture` looks like this kind.
    pub fn covers(self, picture: &Picture) -> bool {
        match self {
            Scope::DrawnScenes => looks_drawn(picture),
        }
    }

    /// The warning before an answer about another kind of picture.
    pub fn warning(self) -> &'static str {
        match self {
            Scope::DrawnScenes => {
                "This picture does not look like the drawings (figures, signs, bar charts) that this small model knows: its answers will mean little. For photographs, load the full model with --model."
            }
        }
    }

    /// Questions that a model of this scope answers well for any picture.
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

    /// `question` in the wording of the training data: differences that people ignore, such as
    /// capitals or "please", are removed. An unknown question is returned unchanged.
    pub fn as_learnt(self, question: &str) -> String {
        match (self, known(question)) {
            (Scope::DrawnScenes, Known::Learnt(learnt)) => learnt,
            _ => question.to_string(),
        }
    }

    /// A remark to show instead of an answer or beside it; `None` for a question of the training
    /// data's kinds about a picture.
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

/// A remark about a question to a model of narrow scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// The kind of remark.
    pub code: RemarkCode,
    /// Whether the model answered nevertheless; if not, `text` is shown in place of the answer.
    pub answered: bool,
    /// The remark in English.
    pub text: String,
    /// Examples of questions that work.
    pub examples: Vec<String>,
}

/// The kinds of remarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkCode {
    /// A picture is required.
    NeedsPicture,
    /// The question is not in English.
    NotEnglish,
    /// The question is unlike those that the model was trained on.
    UnlikeQuestions,
}
