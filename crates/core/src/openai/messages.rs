//! The messages of a request: which picture they are about, what was said about it before, and what is asked.
//!
//! The model has one picture, in front of its conversation. So the conversation begins with the last question that
//! brings a picture, and what was said before that is left out.

use serde::Deserialize;
use serde_json::Value;

use super::content::{self, Content, Place, join};
use super::data_url::{PictureFile, picture_file};
use super::error::BadRequest;
use super::face::Face;
use super::fields::{self, Rest, name, need};
use super::foreign::refuse_rest_of_message;
use crate::request::{Exchange, Shown};

/// What a request's messages come to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Conversation {
    /// What the model is told before anything is asked.
    pub system: String,
    /// The pictures' files, in the order in which they are shown.
    pub files: Vec<PictureFile>,
    /// What was said before.
    pub before: Vec<Exchange>,
    /// The pictures that are shown with the question.
    pub pictures: Vec<Shown>,
    /// What is asked.
    pub question: String,
}

/// A message as it is sent.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Deserialize)]
pub(crate) struct Message {
    #[cfg_attr(test, ts(type = "'user' | 'assistant' | 'system' | 'developer'"))]
    role: Option<String>,
    #[cfg_attr(test, ts(type = "string | Array<ContentPart> | null", optional))]
    content: Option<Value>,
    /// None, or an empty list.
    #[cfg_attr(test, ts(type = "[] | null", optional))]
    tool_calls: Option<Vec<Value>>,
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    rest: Rest,
}

/// One or more messages of the same side.
struct Turn {
    /// Where it begins in the request.
    place: String,
    of_user: bool,
    text: String,
    pictures: Vec<Place>,
}

/// What one message is.
enum Said {
    /// What the model is told, by the field of the message.
    System(String, String),
    /// What either side says.
    Turn(Turn),
}

/// Reads `messages`: a list of `{role, content}`, the last of the user. Neighbours of one role are joined by a newline.
/// A model that knows one picture gets the last one, and the conversation begins with its question.
///
/// # Errors
/// [`BadRequest`] naming the message, for what is damaged, and for what no model has a place for: a system message behind
/// what was said, tools, and more pictures in a question than the model knows.
pub(super) fn read(
    messages: Vec<Value>,
    face: Face,
    most_pictures: Option<usize>,
) -> Result<Conversation, BadRequest> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut system = String::new();
    for (index, message) in messages.into_iter().enumerate() {
        match read_message(&format!("messages[{index}]"), message)? {
            Said::System(_, text) if text.trim().is_empty() => {}
            Said::System(_, text) if turns.is_empty() => join(&mut system, &text),
            Said::System(place, _) => {
                let message = format!(
                    "{place}: a system message stands before all others; put it first, or say it in the question"
                );
                return Err(BadRequest::unsupported(place, message));
            }
            Said::Turn(turn) => match turns.last_mut() {
                Some(last) if last.of_user == turn.of_user => last.append(turn),
                _ => turns.push(turn),
            },
        }
    }
    if most_pictures == Some(1)
        && let Some(with_picture) = turns.iter().rposition(|turn| !turn.pictures.is_empty())
    {
        turns.drain(..with_picture);
    }
    let mut conversation = pair(turns, face, most_pictures)?;
    conversation.system = system;
    Ok(conversation)
}

impl Turn {
    fn append(&mut self, next: Turn) {
        join(&mut self.text, &next.text);
        let before = self.text.len() - next.text.len();
        let pictures = next.pictures.into_iter().map(|place| Place {
            at: before + place.at,
            ..place
        });
        self.pictures.extend(pictures);
    }
}

/// Turns that begin with the user's -> exchanges and a question.
fn pair(
    turns: Vec<Turn>,
    face: Face,
    most_pictures: Option<usize>,
) -> Result<Conversation, BadRequest> {
    let mut conversation = Conversation::default();
    let mut asked: Option<String> = None;
    for turn in turns {
        if !turn.of_user {
            let Some(question) = asked.take() else {
                let message = format!("{} answers nothing: the user begins", turn.place);
                return Err(BadRequest::bad_value(turn.place, message));
            };
            // A picture alone asks nothing that could be said again; it is shown with the next question.
            match question.trim().is_empty() {
                true => conversation
                    .pictures
                    .iter_mut()
                    .for_each(|shown| shown.at = 0),
                false => conversation.before.push(Exchange {
                    pictures: std::mem::take(&mut conversation.pictures),
                    question,
                    text: turn.text,
                    ..Exchange::default()
                }),
            }
            continue;
        }
        let most = most_pictures.unwrap_or(usize::MAX);
        if let Some(Place { field, .. }) = turn.pictures.get(most) {
            let (count, can) = (turn.pictures.len(), counted(most));
            let message = format!("{field}: a question can have {can}, and this one has {count}");
            return Err(BadRequest::unsupported(field, message));
        }
        for place in &turn.pictures {
            let file = picture_file(&place.field, &place.url, face)?;
            conversation.pictures.push(Shown {
                key: file.key(),
                // A model for one picture sees it before all text.
                at: if most == 1 { 0 } else { place.at },
                detail: place.detail,
            });
            conversation.files.push(file);
        }
        asked = Some(turn.text);
    }
    conversation.question = asked.ok_or_else(|| {
        let message = "messages must end with one of the user";
        BadRequest::bad_value("messages", message)
    })?;
    Ok(conversation)
}

fn counted(pictures: usize) -> String {
    match pictures {
        1 => "one picture".into(),
        _ => format!("{pictures} pictures"),
    }
}

fn read_message(place: &str, message: Value) -> Result<Said, BadRequest> {
    let message: Message = fields::read(place, message)?;
    let role = need(message.role, place, "role")?;
    let of_user = match role.as_str() {
        "user" => true,
        "assistant" | "system" | "developer" => false,
        _ => {
            let name = name(place, "role");
            let message = format!("{name} must be \"user\" or \"assistant\"");
            return Err(BadRequest::unsupported(name, message));
        }
    };
    if message.tool_calls.is_some_and(|calls| !calls.is_empty()) {
        let name = name(place, "tool_calls");
        let message = format!("{name}: this model calls no tools");
        return Err(BadRequest::unsupported(name, message));
    }
    let said = content::read(&name(place, "content"), message.content, of_user)?;
    refuse_rest_of_message(place, &message.rest)?;
    let Content { text, pictures } = said;
    if role == "system" || role == "developer" {
        return Ok(Said::System(place.into(), text));
    }
    Ok(Said::Turn(Turn {
        place: place.to_string(),
        of_user,
        text,
        pictures,
    }))
}

#[cfg(test)]
mod tests;
