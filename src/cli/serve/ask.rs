//! The body of a request for a completion -> what the engine is asked.

use std::hash::{BuildHasher, RandomState};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::fields::Fields;
use super::messages::{self, Conversation};
use super::options::{refuse_rest, refuse_rest_of_stream};
use super::refusal::{CONTEXT_EXCEEDED, Refusal};
use crate::error::Error;
use crate::generate::Sampling;
use crate::request::{AskOptions, Request};

/// A picture's file.
#[derive(Debug, PartialEq)]
pub struct PictureFile {
    /// SHA-256 of the bytes, by which its features are kept.
    pub key: String,
    /// As they were sent.
    pub bytes: Vec<u8>,
}

/// A request for a completion.
#[derive(Debug, PartialEq)]
pub struct Ask {
    /// Which model is asked.
    pub model: String,
    /// The picture that the conversation is about.
    pub picture: Option<PictureFile>,
    /// The conversation, and how to answer.
    pub request: Request,
    /// Whether it states a temperature.
    pub states_temperature: bool,
    /// The answer is wanted piece by piece.
    pub stream: bool,
    /// With the pieces, what the answer took is wanted.
    pub include_usage: bool,
}

const MOST_STOP_TEXTS: usize = 4;
/// Values of a request; a conversation has a few for each message.
const MOST_VALUES: usize = 100_000;
/// All that was said; the longest context that a model is known to have takes a tenth of it.
const MOST_TEXT_BYTES: usize = 16_000_000;

impl Ask {
    /// Reads a body. What it does not say is as for `inf-llava chat`, but that answers may be as long as the context,
    /// and that no two have the same seed.
    ///
    /// # Errors
    /// [`Refusal`] naming the field, also where it is one that is not known and has a value.
    pub fn read(body: impl AsRef<[u8]>) -> Result<Self, Refusal> {
        // Some programs write a mark in front of all UTF-8.
        let text = body.as_ref();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if text.trim_ascii().is_empty() {
            let message = "the request is no JSON: it has no body";
            return Err(Refusal::bad_request("bad-json", message));
        }
        check_values(text)?;
        let parsed = serde_json::from_slice(text).map_err(|error| {
            let message = match std::str::from_utf8(text) {
                Ok(_) => format!("the request is no JSON: {error}"),
                Err(error) => format!("the request is no JSON in UTF-8: {error}"),
            };
            Refusal::bad_request("bad-json", message)
        })?;
        // What was read of it is a copy; if it was handed over, a large picture is not to be there thrice.
        drop(body);
        let mut fields = Fields::new("", parsed)?;
        let model = fields.need("model", "a model's id, as GET /v1/models lists it")?;
        let states_temperature = fields.has("temperature");
        let mut options = read_options(&mut fields)?;
        options.stop = read_stop(&mut fields)?;
        let stream = fields.take("stream", "true or false")?.unwrap_or(false);
        let include_usage = match fields.take("stream_options", "an object")? {
            None => None,
            Some(options) => {
                let mut options = Fields::new("stream_options", options)?;
                let include_usage = options.take("include_usage", "true or false")?;
                refuse_rest_of_stream(options)?;
                include_usage
            }
        };
        let messages = fields.need("messages", "a list of messages")?;
        refuse_rest(fields)?;
        let conversation = messages::read(messages)?;
        check_text(&conversation)?;
        let picture = conversation.picture.map(|bytes| PictureFile {
            key: Sha256::digest(&bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            bytes,
        });
        Ok(Ask {
            model,
            request: Request {
                picture: picture.as_ref().map(|picture| picture.key.clone()),
                before: conversation.before,
                question: conversation.question,
                begun: Vec::new(),
                options,
            },
            picture,
            states_temperature,
            stream,
            include_usage: include_usage.unwrap_or(false),
        })
    }
}

impl Ask {
    /// Whether anything is asked. That a picture is none is to be said first, since more is wrong then.
    ///
    /// # Errors
    /// [`Error::EmptyQuestion`], as a refusal.
    pub fn check_question(&self) -> Result<(), Refusal> {
        match self.request.question.trim().is_empty() {
            true => Err(Refusal::from(&Error::EmptyQuestion)),
            false => Ok(()),
        }
    }
}

/// Refuses what would take many times its size once it is read: a number of two bytes becomes a value of 32.
fn check_values(body: &[u8]) -> Result<(), Refusal> {
    let (mut in_string, mut is_escaped, mut values) = (false, false, 0usize);
    for &byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    match values <= MOST_VALUES {
        true => Ok(()),
        false => {
            let message =
                format!("the request has {values} values; at most {MOST_VALUES} are read");
            Err(Refusal::bad_request("bad-value", message))
        }
    }
}

/// Refuses what no context holds before it is made into tokens, which take many times as much.
fn check_text(conversation: &Conversation) -> Result<(), Refusal> {
    let before = conversation.before.iter();
    let before: usize = before.map(|e| e.question.len() + e.text.len()).sum();
    let bytes = before + conversation.question.len();
    match bytes <= MOST_TEXT_BYTES {
        true => Ok(()),
        false => {
            let (most, bytes) = (MOST_TEXT_BYTES / 1_000_000, bytes / 1_000_000);
            let message =
                format!("the messages have {bytes} MB of text; at most {most} MB are read");
            Err(Refusal {
                code: CONTEXT_EXCEEDED,
                ..Refusal::bad_value("messages", message)
            })
        }
    }
}

fn read_options(fields: &mut Fields) -> Result<AskOptions, Refusal> {
    let default = Sampling::default();
    let sampling = Sampling {
        temperature: fields
            .take("temperature", "a number")?
            .unwrap_or(default.temperature),
        top_p: fields.take("top_p", "a number")?.unwrap_or(default.top_p),
        top_k: whole(fields, "top_k", "a whole number from 0 (off)", 0)?.unwrap_or(default.top_k),
        repetition_penalty: fields
            .take("repetition_penalty", "a number")?
            .unwrap_or(default.repetition_penalty),
        seed: read_seed(fields)?,
    };
    sampling.validate().map_err(|error| Refusal::from(&error))?;
    let mut max_new_tokens = usize::MAX;
    // The older name is still what many programs send.
    for name in ["max_tokens", "max_completion_tokens"] {
        let wanted = "a whole number of at least 1; without it an answer may be as long as there is room for";
        if let Some(tokens) = whole(fields, name, wanted, 1)? {
            max_new_tokens = max_new_tokens.min(tokens);
        }
    }
    Ok(AskOptions {
        sampling,
        max_new_tokens,
        ..AskOptions::default()
    })
}

/// Whoever asks again without a seed wants another answer, as does -1 in other programs. Another negative one stands for the
/// same bits.
fn read_seed(fields: &mut Fields) -> Result<u64, Refusal> {
    let wanted = "a whole number of 64 bits";
    match fields.take_whole("seed", wanted)? {
        None | Some(-1) => Ok(RandomState::new().hash_one(())),
        Some(seed) => i64::try_from(seed)
            .map(|seed| seed as u64)
            .or_else(|_| u64::try_from(seed))
            .map_err(|_| Refusal::bad_value("seed", format!("seed must be {wanted}"))),
    }
}

/// A whole number of at least `least`.
fn whole(
    fields: &mut Fields,
    name: &str,
    wanted: &str,
    least: usize,
) -> Result<Option<usize>, Refusal> {
    match fields.take_whole(name, wanted)? {
        None => Ok(None),
        Some(number) if number >= least as i128 => {
            Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)))
        }
        Some(_) => Err(Refusal::bad_value(name, format!("{name} must be {wanted}"))),
    }
}

/// A text or up to four.
fn read_stop(fields: &mut Fields) -> Result<Vec<String>, Refusal> {
    let wanted = format!("a text or up to {MOST_STOP_TEXTS}, none of them empty");
    let refused = || Refusal::bad_value("stop", format!("stop must be {wanted}"));
    let texts = match fields.take::<Value>("stop", &wanted)? {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => vec![text],
        Some(list) => serde_json::from_value(list).map_err(|_| refused())?,
    };
    match texts.len() > MOST_STOP_TEXTS || texts.iter().any(String::is_empty) {
        true => Err(refused()),
        false => Ok(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::super::data_url::picture_bytes;
    use super::{Ask, Refusal};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(more: Value) -> Result<Ask, Refusal> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}]});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        Ask::read(body.to_string().into_bytes())
    }

    #[test]
    fn options_are_read_and_harmless_ones_passed_over() {
        let ask = read(json!({
            "temperature": 0, "top_p": 0.5, "top_k": 3, "repetition_penalty": 1.5, "seed": -2,
            "max_tokens": 7, "max_completion_tokens": 5, "stop": ["a", "b"], "stream": true,
            "stream_options": {"include_usage": true}, "n": 1, "tools": [], "logprobs": false,
            "response_format": {"type": "text"}, "presence_penalty": 0.0, "user": "someone",
            "metadata": {}, "store": false, "service_tier": "auto", "logit_bias": null,
        }));
        let ask = ask.expect("an ask");
        let sampling = &ask.request.options.sampling;
        assert_eq!((sampling.temperature, sampling.top_p), (0.0, 0.5));
        assert_eq!((sampling.top_k, sampling.repetition_penalty), (3, 1.5));
        assert_eq!(
            (sampling.seed, ask.request.options.max_new_tokens),
            (u64::MAX - 1, 5)
        );
        assert_eq!(
            (ask.request.options.stop, ask.stream, ask.include_usage),
            (vec!["a".into(), "b".into()], true, true)
        );

        let plain = read(json!({"stop": "a", "stream": null})).expect("an ask");
        assert_eq!(
            (
                plain.request.options.stop,
                plain.stream,
                plain.include_usage
            ),
            (vec!["a".into()], false, false)
        );
        assert_eq!(plain.request.options.sampling.temperature, 0.2);
        assert_eq!(plain.picture, None);
    }

    #[test]
    fn a_seed_of_minus_one_and_no_temperature_are_none() {
        let asked = |more: Value| read(more).expect("an ask");
        let seed = || asked(json!({"seed": -1})).request.options.sampling.seed;
        assert_ne!(seed(), seed());
        assert!(!asked(json!({"temperature": null})).states_temperature);
        assert!(asked(json!({"temperature": 0})).states_temperature);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (more, param, code) in [
            (json!({"n": 2}), "n", "unsupported"),
            (json!({"tools": [{}]}), "tools", "unsupported"),
            (json!({"logprobs": true}), "logprobs", "unsupported"),
            (
                json!({"response_format": {"type": "json_object"}}),
                "response_format",
                "unsupported",
            ),
            (
                json!({"frequency_penalty": 0.5}),
                "frequency_penalty",
                "unsupported",
            ),
            (json!({"temperature": "hot"}), "temperature", "bad-value"),
            (json!({"temperature": -1}), "temperature", "option"),
            (json!({"temperature": 1e39}), "temperature", "option"),
            (json!({"top_p": 0}), "top_p", "option"),
            (
                json!({"repetition_penalty": 0}),
                "repetition_penalty",
                "option",
            ),
            (json!({"seed": 0.5}), "seed", "bad-value"),
            (json!({"max_tokens": 0}), "max_tokens", "bad-value"),
            (json!({"max_tokens": -1}), "max_tokens", "bad-value"),
            (
                json!({"max_completion_tokens": "5"}),
                "max_completion_tokens",
                "bad-value",
            ),
            (
                json!({"stop": ["a", "b", "c", "d", "e"]}),
                "stop",
                "bad-value",
            ),
            (json!({"stop": ""}), "stop", "bad-value"),
            (json!({"stop": [1]}), "stop", "bad-value"),
            (json!({"stream": 1}), "stream", "bad-value"),
            (
                json!({"stream_options": true}),
                "stream_options",
                "bad-value",
            ),
            (json!({"messages": "q"}), "messages", "bad-value"),
            (json!({"messages": null}), "messages", "bad-value"),
            (json!({"model": null}), "model", "bad-value"),
        ] {
            let refusal = read(more.clone()).expect_err(&more.to_string());
            assert_eq!(
                (refusal.param.as_deref(), refusal.code),
                (Some(param), code),
                "{more}"
            );
            assert!(
                refusal.message.contains(param),
                "{more}: {}",
                refusal.message
            );
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(100_000);
        for body in ["", "{", "null", "[]", "\u{feff}{}", &deep] {
            let refusal = Ask::read(body).expect_err(body);
            assert!(
                ["bad-json", "bad-value"].contains(&refusal.code),
                "{refusal:?}"
            );
        }
        assert!(Ask::read(b"{\"model\": \"\xff\"}").is_err());
    }

    #[test]
    fn what_would_become_many_times_as_large_is_refused() {
        let many = format!("{{\"x\": [{}0]}}", "0,".repeat(200_000));
        let refusal = Ask::read(many.into_bytes()).expect_err("too many");
        assert!(refusal.message.contains("200002 values"), "{refusal:?}");
        let commas = format!("\\\"{}", ",[{".repeat(100_000));
        let text = json!({"messages": [{"role": "user", "content": commas}]});
        assert!(read(text).is_ok());
        let long = "a ".repeat(8_000_001);
        let refusal = read(json!({"messages": [{"role": "user", "content": long}]}));
        let refusal = refusal.expect_err("too long");
        assert_eq!(refusal.code, "context-exceeded");
    }

    /// What a request's table of cases says in the place of pictures.
    fn with_pictures(value: &mut Value, pictures: &Value) {
        match value {
            Value::String(text) => {
                let url = text.strip_prefix("picture:").map(|name| &pictures[name]);
                if let Some(Value::String(url)) = url {
                    *text = url.clone();
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|one| with_pictures(one, pictures)),
            Value::Object(map) => map
                .values_mut()
                .for_each(|one| with_pictures(one, pictures)),
            _ => {}
        }
    }

    /// What was understood, in the table's words.
    fn understood(ask: &Ask, wanted: &Value, pictures: &Value) -> Value {
        let sampling = &ask.request.options.sampling;
        let limit = Some(ask.request.options.max_new_tokens).filter(|limit| *limit != usize::MAX);
        let all = json!({
            "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k,
            "repetition_penalty": sampling.repetition_penalty, "seed": sampling.seed,
            "max_new_tokens": limit, "stop": ask.request.options.stop, "stream": ask.stream,
            "include_usage": ask.include_usage,
        });
        let mut found = json!({"question": ask.request.question});
        if let Some(wanted) = wanted["options"].as_object() {
            // 0 is 0.0.
            let is_same =
                |name: &String| all[name].is_f64() && all[name].as_f64() == wanted[name].as_f64();
            let value = |name: &String| {
                if is_same(name) {
                    &wanted[name]
                } else {
                    &all[name]
                }
            };
            let named = wanted
                .keys()
                .map(|name| (name.clone(), value(name).clone()));
            found["options"] = named.collect::<serde_json::Map<_, _>>().into();
        }
        if !ask.request.before.is_empty() {
            let before = ask.request.before.iter();
            let before = before.map(|e| json!([e.question, e.text]));
            found["before"] = before.collect::<Vec<_>>().into();
        }
        if let Some(picture) = &ask.picture {
            let named = pictures
                .as_object()
                .expect("pictures")
                .iter()
                .find(|(_, url)| {
                    let url = url.as_str().expect("a URL");
                    picture_bytes("", url).expect("a picture") == picture.bytes
                });
            found["picture"] = named.map_or(Value::Null, |(name, _)| name.clone().into());
        }
        found
    }

    /// The page reads the same table.
    #[test]
    fn requests_are_understood_or_refused_by_name_as_the_table_of_cases_says() {
        let table = include_str!("../../../tests/cases/completions.json");
        let table: Vec<Value> = serde_json::from_str(table).expect("a table");
        let pictures = &table[0]["pictures"];
        let mut wrong = Vec::new();
        for case in &table[1..] {
            let mut request = case["request"].clone();
            with_pictures(&mut request, pictures);
            let asked = read(request).and_then(|ask| ask.check_question().map(|()| ask));
            let found = match asked {
                Ok(ask) => json!({"understood": understood(&ask, &case["understood"], pictures)}),
                Err(refusal) => {
                    let param = refusal.param.as_deref().unwrap_or_default();
                    let is_named =
                        refusal.message.contains(param) || refusal.code == "empty-question";
                    assert!(is_named, "{param}: {}", refusal.message);
                    assert_eq!(refusal.status.as_u16(), 400);
                    json!({"refused": {"code": refusal.code, "param": param}})
                }
            };
            let kind = if case["refused"].is_null() {
                "understood"
            } else {
                "refused"
            };
            if found[kind] != case[kind] {
                wrong.push(format!(
                    "{}: {found}\n  and not {}",
                    case["name"], case[kind]
                ));
            }
        }
        assert!(table.len() > 300, "{}", table.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Ask::read(body).is_err());
        }
    }
}
