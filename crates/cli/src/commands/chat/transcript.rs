//! The transcript of a conversation, which is written to a file on request.

use std::path::Path;

use serde_json::json;

use inf_llava::durable;
use inf_llava::error::Result;
use inf_llava::printable::printable;
use inf_llava::session::{Answer, StopReason};

/// A question and its answer.
struct Turn {
    question: String,
    answer: String,
    stop_reason: StopReason,
}

/// The turns about one picture.
struct Topic {
    picture: Option<String>,
    turns: Vec<Turn>,
}

/// One or several conversations in sequence.
pub(super) struct Transcript {
    topics: Vec<Topic>,
}

impl Transcript {
    /// An empty transcript without a picture.
    pub(super) fn new() -> Self {
        Transcript { topics: Vec::new() }
    }

    /// Starts a new conversation about this picture, or about no picture.
    pub(super) fn begin(&mut self, picture: Option<String>) {
        self.topics.push(Topic {
            picture,
            turns: Vec::new(),
        });
    }

    /// The current picture.
    pub(super) fn picture(&self) -> Option<String> {
        self.topics.last()?.picture.clone()
    }

    /// Adds an answered question; with `again` it replaces the last answer.
    pub(super) fn add(&mut self, question: &str, answer: &Answer, again: bool) {
        if self.topics.is_empty() {
            self.begin(None);
        }
        let Some(topic) = self.topics.last_mut() else {
            return;
        };
        if again {
            topic.turns.pop();
        }
        topic.turns.push(Turn {
            question: question.to_string(),
            answer: answer.text.clone(),
            stop_reason: answer.stop_reason,
        });
    }

    /// The last question.
    pub(super) fn last_question(&self) -> Option<String> {
        Some(self.topics.last()?.turns.last()?.question.clone())
    }

    /// Writes the transcript to a new file: as JSON in the page's format if the name ends in
    /// `.json`, otherwise as text.
    ///
    /// # Errors
    /// [`inf_llava::Error::Output`].
    pub(super) fn save(&self, model: &str, path: &Path) -> Result<usize> {
        let turns = self.topics.iter().map(|topic| topic.turns.len()).sum();
        if turns == 0 {
            return Err(durable::failed(path, "nothing has been said yet"));
        }
        if path.symlink_metadata().is_ok() {
            return Err(durable::failed(
                path,
                "it is there already; name another file",
            ));
        }
        let is_json = path
            .extension()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("json"));
        let text = match is_json {
            true => self.json(model).map_err(|e| durable::failed(path, e))?,
            false => self.text(),
        };
        durable::write_file(path, text.as_bytes())?;
        Ok(turns)
    }

    fn spoken(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(|topic| !topic.turns.is_empty())
    }

    /// The JSON in the page's export format.
    fn json(&self, model: &str) -> serde_json::Result<String> {
        let turn = |turn: &Turn| json!({"question": turn.question, "text": turn.answer, "stop_reason": turn.stop_reason});
        let topics: Vec<_> = self
            .spoken()
            .map(|topic| {
                let turns: Vec<_> = topic.turns.iter().map(turn).collect();
                json!({"picture": topic.picture, "turns": turns})
            })
            .collect();
        let whole =
            json!({"format": "inf-llava-chat", "version": 1, "model": model, "topics": topics});
        Ok(serde_json::to_string_pretty(&whole)? + "\n")
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for topic in self.spoken() {
            if !text.is_empty() {
                text += "\n";
            }
            text += &match &topic.picture {
                Some(picture) => format!("Picture: {picture}\n"),
                None => "Without a picture\n".into(),
            };
            for turn in &topic.turns {
                text += &format!(
                    "\n> {}\n{}\n",
                    turn.question.replace('\n', "\n> "),
                    turn.answer
                );
            }
        }
        printable(&text)
    }
}
