//! What kind of picture a model knows, where that is one kind only.

pub mod wording;

use serde::Serialize;

use super::CONFIG_FILE;
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
}
