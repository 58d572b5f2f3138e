//! A JSON object read into a type, where a field that cannot be is told by its whole name and by what it must be.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_json::{Map, Value};

use super::error::BadRequest;

/// Fields that a type does not name.
pub(super) type Rest = Map<String, Value>;

const AN_OBJECT: &str = "an object";

/// What each field must be, in the words in which a refusal says so.
const WANTED: &[(&str, &str)] = &[
    ("model", "a model's id, as GET /v1/models lists it"),
    ("messages", "a list of messages"),
    ("stream", "true or false"),
    ("include_usage", "true or false"),
    ("stream_options", AN_OBJECT),
    ("temperature", "a number"),
    ("top_p", "a number"),
    ("repetition_penalty", "a number"),
    ("top_k", "a whole number from 0 (off)"),
    ("seed", "a whole number of 64 bits"),
    ("max_tokens", MOST_TOKENS),
    ("max_completion_tokens", MOST_TOKENS),
    ("stop", "a text or up to 4, none of them empty"),
    ("role", "\"user\" or \"assistant\""),
    ("content", "a string or a list of parts"),
    ("tool_calls", "a list"),
    ("type", "\"text\" or \"image_url\""),
    ("text", "a string"),
    ("url", "a string"),
    ("image_url", "a data: URL, or an object with one as its url"),
    ("detail", "\"auto\", \"low\" or \"high\""),
];
const MOST_TOKENS: &str =
    "a whole number of at least 1; without it an answer may be as long as there is room for";

/// What the field at `path` must be. An entry of a list, and the request itself, is an object.
fn wanted(path: &str) -> &'static str {
    let field = path.rsplit('.').next().unwrap_or_default();
    let known = WANTED.iter().find(|(name, _)| *name == field);
    known.map_or(AN_OBJECT, |(_, wanted)| wanted)
}

/// The whole name of a field of the object at `place`, which is empty for the request itself.
pub(super) fn name(place: &str, field: &str) -> String {
    match (place, field) {
        ("", _) => field.into(),
        (_, "") => place.into(),
        _ if field.starts_with('[') => format!("{place}{field}"),
        _ => format!("{place}.{field}"),
    }
}

/// Reads what stands at `place`.
///
/// # Errors
/// [`BadRequest`] naming the field that cannot be what it is.
pub(super) fn read<T: DeserializeOwned>(place: &str, value: Value) -> Result<T, BadRequest> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().iter().next() {
            Some(_) => error.path().to_string(),
            None => String::new(),
        };
        match name(place, &path) {
            none if none.is_empty() => {
                BadRequest::new("bad-value", "the request must be a JSON object")
            }
            name => wrong(name),
        }
    })
}

/// The field has a value that it cannot have.
pub(super) fn wrong(name: String) -> BadRequest {
    let message = format!("{name} must be {}", wanted(&name));
    BadRequest::bad_value(name, message)
}

/// A field that must be there; null is as good as none.
///
/// # Errors
/// [`BadRequest`] that says what it must be.
pub(super) fn need<T>(value: Option<T>, place: &str, field: &str) -> Result<T, BadRequest> {
    value.ok_or_else(|| {
        let name = name(place, field);
        let message = format!("{name} is missing; it must be {}", wanted(&name));
        BadRequest::bad_value(name, message)
    })
}

/// A whole number, which some languages write with a point (`5.0`) or a power (`1e9`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Whole(pub i128);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Whole;

            fn expecting(&self, words: &mut fmt::Formatter<'_>) -> fmt::Result {
                words.write_str("a whole number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Whole, E> {
                match number.fract() == 0.0 {
                    true => Ok(Whole(number as i128)),
                    false => Err(E::custom("it has a fraction")),
                }
            }
        }
        deserializer
            .deserialize_any(Reader)
            .map_err(D::Error::custom)
    }
}
