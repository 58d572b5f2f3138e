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

/// The turns about one picture, or about several.
struct Topic {
    pictures: Vec<String>,
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

    /// Starts a new conversation about these pictures.
    pub(super) fn begin(&mut self, pictures: Vec<String>) {
        self.topics.push(Topic {
            pictures,
            turns: Vec::new(),
        });
    }

    /// Adds a picture to the conversation.
    pub(super) fn show(&mut self, picture: String) {
        match self.topics.last_mut() {
            None => self.begin(vec![picture]),
            Some(topic) => topic.pictures.push(picture),
        }
    }

    /// The conversation's pictures.
    pub(super) fn pictures(&self) -> Vec<String> {
        let topic = self.topics.last();
        topic.map_or_else(Vec::new, |topic| topic.pictures.clone())
    }

    /// Adds an answered question; with `again` it replaces the last answer.
    pub(super) fn add(&mut self, question: &str, answer: &Answer, again: bool) {
        if self.topics.is_empty() {
            self.begin(Vec::new());
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
                // The page's format has the first by itself.
                let mut value = json!({"picture": topic.pictures.first(), "turns": turns});
                if topic.pictures.len() > 1 {
                    value["pictures"] = json!(topic.pictures);
                }
                value
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
            text += &match topic.pictures.as_slice() {
                [] => "Without a picture\n".into(),
                [picture] => format!("Picture: {picture}\n"),
                pictures => format!("Pictures: {}\n", pictures.join(", ")),
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
