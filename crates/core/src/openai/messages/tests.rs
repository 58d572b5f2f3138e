//! Messages of requests, as they are read.

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
