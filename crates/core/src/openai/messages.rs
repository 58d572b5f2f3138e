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
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::data_url::PictureFile;
    use super::super::error::BadRequest;
    use super::{Conversation, Face};
    use crate::request::{Exchange, Shown};
    use crate::spec::Detail;

    fn read(messages: Vec<Value>) -> Result<Conversation, BadRequest> {
        super::read(messages, Face::Server, Some(1))
    }

    fn file(byte: u8) -> PictureFile {
        PictureFile {
            media_type: "image/png".into(),
            bytes: vec![byte],
        }
    }

    /// Where the picture of one byte stands.
    fn shown(byte: u8, at: usize) -> Shown {
        Shown {
            at,
            detail: Detail::High,
            ..Shown::first(file(byte).key())
        }
    }

    fn conversation(messages: Value) -> Conversation {
        let Value::Array(messages) = messages else {
            panic!("{messages} is no list")
        };
        read(messages).expect("a conversation")
    }

    /// A part with a picture whose file has the one byte `byte`.
    fn picture(byte: u8) -> Value {
        use base64::Engine;
        let data = base64::engine::general_purpose::STANDARD.encode([byte]);
        json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}"), "detail": "high"}})
    }

    fn text(text: &str) -> Value {
        json!({"type": "text", "text": text})
    }

    fn exchange(question: &str, text: &str) -> Exchange {
        Exchange {
            question: question.into(),
            text: text.into(),
            ..Exchange::default()
        }
    }

    #[test]
    fn turns_are_paired_and_neighbours_joined() {
        let found = conversation(json!([
            {"role": "system", "content": " "},
            {"role": "developer", "content": []},
            {"role": "user", "content": [picture(1)]},
            {"role": "user", "content": [text("How"), text("many?")], "name": "someone"},
            {"role": "assistant", "content": "Two."},
            {"role": "assistant", "content": [text("Or three.")]},
            {"role": "user", "content": "Sure?"},
            {"role": "user", "content": ""},
        ]));
        let first = Exchange {
            pictures: vec![shown(1, 0)],
            ..exchange("How\nmany?", "Two.\nOr three.")
        };
        let expected = Conversation {
            files: vec![file(1)],
            before: vec![first],
            question: "Sure?".into(),
            ..Conversation::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn the_conversation_begins_with_the_last_picture() {
        let found = conversation(json!([
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": null},
            // What is left out is not looked at.
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://elsewhere"}}, text("One?")]},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": [text("Two?"), picture(2)]},
            {"role": "assistant", "content": "Two."},
            {"role": "user", "content": "Three?"},
        ]));
        let first = Exchange {
            pictures: vec![shown(2, 0)],
            ..exchange("Two?", "Two.")
        };
        let expected = Conversation {
            files: vec![file(2)],
            before: vec![first],
            question: "Three?".into(),
            ..Conversation::default()
        };
        assert_eq!(found, expected);
        let without = conversation(json!([{"role": "user", "content": "Hello"}]));
        assert_eq!(
            (without.files, without.question),
            (Vec::new(), "Hello".into())
        );
    }

    #[test]
    fn several_pictures_keep_their_places() {
        let Value::Array(messages) = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [text("Rhyme.")]},
            {"role": "user", "content": [picture(1), text("A?"), picture(2), picture(3)]},
            {"role": "assistant", "content": "B."},
            {"role": "user", "content": [picture(4)]},
            {"role": "assistant", "content": "Nice."},
            {"role": "user", "content": "C?"},
            {"role": "user", "content": [text("D?"), picture(5), text("E?")]},
        ]) else {
            panic!("no list")
        };
        let found = super::read(messages.clone(), Face::Server, None).expect("a conversation");
        let first = Exchange {
            pictures: vec![shown(1, 0), shown(2, 2), shown(3, 2)],
            ..exchange("A?", "B.")
        };
        let expected = Conversation {
            system: "Be brief.\nRhyme.".into(),
            files: [1, 2, 3, 4, 5].map(file).to_vec(),
            before: vec![first],
            pictures: vec![shown(4, 0), shown(5, 5)],
            question: "C?\nD?\nE?".into(),
        };
        assert_eq!(found, expected);
        let refusal = super::read(messages, Face::Server, Some(2)).expect_err("three pictures");
        assert!(
            refusal
                .message
                .contains("can have 2 pictures, and this one has 3")
        );
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused_by_name() {
        let user = |content: Value| json!([{"role": "user", "content": content}]);
        for (messages, param, says) in [
            (json!([]), "messages", "end with one of the user"),
            (json!([1]), "messages[0]", "must be an object"),
            (json!([{"content": "a"}]), "messages[0].role", "is missing"),
            (
                json!([{"role": 1, "content": "a"}]),
                "messages[0].role",
                "must be",
            ),
            (
                json!([{"role": "tool", "content": "a"}]),
                "messages[0].role",
                "must be",
            ),
            (
                json!([{"role": "user", "content": "a"}, {"role": "system", "content": "Be brief."}]),
                "messages[1]",
                "before all others",
            ),
            (
                json!([{"role": "user", "content": "a"}, {"role": "developer", "content": "Rhyme."}]),
                "messages[1]",
                "before all others",
            ),
            (
                json!([{"role": "assistant", "content": "Hi"}]),
                "messages[0]",
                "the user begins",
            ),
            (
                json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]),
                "messages",
                "end with one of the user",
            ),
            (
                json!([{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{}]}]),
                "messages[1].tool_calls",
                "no tools",
            ),
            (
                user(json!(null)),
                "messages[0].content",
                "a string or a list",
            ),
            (
                user(json!({"type": "text"})),
                "messages[0].content",
                "a string or a list",
            ),
            (
                user(json!(["a"])),
                "messages[0].content[0]",
                "must be an object",
            ),
            (
                user(json!([{}])),
                "messages[0].content[0].type",
                "is missing",
            ),
            (
                user(json!([{"type": "text"}])),
                "messages[0].content[0].text",
                "is missing",
            ),
            (
                user(json!([{"type": "input_audio"}])),
                "messages[0].content[0].type",
                "must be",
            ),
            (
                user(json!([{"type": "image_url"}])),
                "messages[0].content[0].image_url",
                "is missing",
            ),
            (
                user(json!([{"type": "image_url", "image_url": "data:"}])),
                "messages[0].content[0].image_url",
                "must be data:",
            ),
            (
                user(
                    json!([text("a"), {"type": "image_url", "image_url": {"url": "https://a/b.png"}}]),
                ),
                "messages[0].content[1].image_url.url",
                "no picture is fetched",
            ),
            (
                user(json!([picture(1), picture(2)])),
                "messages[0].content[1].image_url.url",
                "this one has 2",
            ),
            (
                json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": [picture(1)]}]),
                "messages[1].content[0].type",
                "must be \"text\"",
            ),
        ] {
            let Value::Array(list) = messages.clone() else {
                panic!("{messages} is no list")
            };
            let refusal = read(list).expect_err(&messages.to_string());
            assert_eq!(refusal.param.as_deref(), Some(param), "{messages}");
            assert!(
                refusal.message.contains(says),
                "{messages}: {}",
                refusal.message
            );
        }
    }

    /// Values made of the words that mean something here, in places where they mean nothing.
    fn strange() -> impl Strategy<Value = Value> {
        let words = [
            "user",
            "assistant",
            "system",
            "text",
            "image_url",
            "url",
            "role",
            "content",
            "type",
            "data:image/png;base64,AA==",
            "data:,",
            ":",
            "\u{20ac}",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(words.to_vec()).prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 5, move |inner| {
            let key = prop::sample::select(words.to_vec()).prop_map(String::from);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_strange_panics(messages in prop::collection::vec(strange(), 0..5)) {
            if let Err(refusal) = read(messages) {
                prop_assert!(refusal.param.is_some() && !refusal.message.is_empty());
            }
        }
    }
}
