//! The messages of a request: which picture they are about, what was said about it before, and what is asked.
//!
//! The model has one picture, in front of its conversation. So the conversation begins with the last question that
//! brings a picture, and what was said before that is left out.

use serde::Deserialize;
use serde_json::Value;

use super::content::{self, Content, join};
use super::data_url::{PictureFile, picture_file};
use super::error::BadRequest;
use super::face::Face;
use super::fields::{self, Rest, name, need};
use super::foreign::refuse_rest_of_message;
use crate::request::Exchange;

/// What a request's messages come to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Conversation {
    /// The picture's file.
    pub picture: Option<PictureFile>,
    /// What was said before.
    pub before: Vec<Exchange>,
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
    /// URLs with the fields that hold them.
    pictures: Vec<(String, String)>,
}

/// Reads `messages`: a list of `{role, content}`, the last of the user. Neighbours of one role are joined by a newline.
///
/// # Errors
/// [`BadRequest`] naming the message, for what is damaged, and for what the released template has no place for: another
/// system prompt, tools, and more than one picture in a question.
pub(super) fn read(messages: Vec<Value>, face: Face) -> Result<Conversation, BadRequest> {
    let mut turns: Vec<Turn> = Vec::new();
    for (index, message) in messages.into_iter().enumerate() {
        let Some(turn) = read_message(&format!("messages[{index}]"), message)? else {
            continue;
        };
        match turns.last_mut() {
            Some(last) if last.of_user == turn.of_user => {
                join(&mut last.text, &turn.text);
                last.pictures.extend(turn.pictures);
            }
            _ => turns.push(turn),
        }
    }
    if let Some(with_picture) = turns.iter().rposition(|turn| !turn.pictures.is_empty()) {
        turns.drain(..with_picture);
    }
    pair(turns, face)
}

/// Turns that begin with the user's -> exchanges and a question.
fn pair(turns: Vec<Turn>, face: Face) -> Result<Conversation, BadRequest> {
    let mut conversation = Conversation::default();
    let mut asked: Option<String> = None;
    for turn in turns {
        if !turn.of_user {
            let Some(question) = asked.take() else {
                let message = format!("{} answers nothing: the user begins", turn.place);
                return Err(BadRequest::bad_value(turn.place, message));
            };
            // A picture alone asks nothing that could be said again.
            if !question.trim().is_empty() {
                conversation.before.push(Exchange {
                    question,
                    text: turn.text,
                    ..Exchange::default()
                });
            }
            continue;
        }
        match turn.pictures.as_slice() {
            [] => {}
            [(param, url)] => conversation.picture = Some(picture_file(param, url, face)?),
            [_, (param, _), ..] => {
                let count = turn.pictures.len();
                let message =
                    format!("{param}: a question can have one picture, and this one has {count}");
                return Err(BadRequest::unsupported(param, message));
            }
        }
        asked = Some(turn.text);
    }
    conversation.question = asked.ok_or_else(|| {
        let message = "messages must end with one of the user";
        BadRequest::bad_value("messages", message)
    })?;
    Ok(conversation)
}

/// None for a system message that says nothing.
fn read_message(place: &str, message: Value) -> Result<Option<Turn>, BadRequest> {
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
        return match text.trim().is_empty() {
            true => Ok(None),
            false => Err(BadRequest::unsupported(
                place,
                format!(
                    "{place}: the model was made with one system prompt and takes no other; say it in the question, or switch the system prompt off in the client"
                ),
            )),
        };
    }
    Ok(Some(Turn {
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
    use crate::request::Exchange;

    fn read(messages: Vec<Value>) -> Result<Conversation, BadRequest> {
        super::read(messages, Face::Server)
    }

    fn file(byte: u8) -> Option<PictureFile> {
        Some(PictureFile {
            media_type: "image/png".into(),
            bytes: vec![byte],
        })
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
        let expected = Conversation {
            picture: file(1),
            before: vec![exchange("How\nmany?", "Two.\nOr three.")],
            question: "Sure?".into(),
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
        let expected = Conversation {
            picture: file(2),
            before: vec![exchange("Two?", "Two.")],
            question: "Three?".into(),
        };
        assert_eq!(found, expected);
        let without = conversation(json!([{"role": "user", "content": "Hello"}]));
        assert_eq!((without.picture, without.question), (None, "Hello".into()));
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
                json!([{"role": "system", "content": "Be brief."}]),
                "messages[0]",
                "system prompt",
            ),
            (
                json!([{"role": "developer", "content": "Rhyme."}]),
                "messages[0]",
                "system prompt",
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
