//! The body of a request for a completion -> what the engine is asked.

use serde::Deserialize;
use serde_json::Value;

use super::data_url::PictureFile;
use super::error::{BadRequest, CONTEXT_EXCEEDED};
use super::face::Face;
use super::fields::{self, Rest, Whole, need, wrong};
use super::foreign::{refuse_rest, refuse_rest_of_stream};
use super::messages::{self, Conversation};
use crate::error::Error;
use crate::generate::Sampling;
use crate::platform;
use crate::request::{AskOptions, Request};

/// A request for a completion.
#[derive(Debug, PartialEq)]
pub struct Ask {
    /// Which model is asked; a server is always told.
    pub model: Option<String>,
    /// The pictures' files, in the order in which the request shows them.
    pub pictures: Vec<PictureFile>,
    /// The conversation, and how to answer.
    pub request: Request,
    /// Whether it states a temperature.
    pub states_temperature: bool,
    /// The answer is wanted piece by piece.
    pub stream: bool,
    /// With the pieces, what the answer took is wanted.
    pub include_usage: bool,
}

/// A request for a completion: the fields that an answer keeps to.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "CompletionRequest", optional_fields = nullable))]
#[derive(Deserialize)]
pub(crate) struct Fields {
    /// Which model is asked.
    model: Option<String>,
    /// The conversation, the last of the user.
    #[cfg_attr(test, ts(type = "Array<Message>", optional = false))]
    messages: Option<Vec<Value>>,
    /// The answer is wanted piece by piece.
    stream: Option<bool>,
    /// Of a stream.
    stream_options: Option<StreamOptions>,
    /// 0 takes the likeliest token always; without it, what suits the model.
    temperature: Option<f32>,
    /// Only the likeliest tokens that together have this probability; 1 is off.
    top_p: Option<f32>,
    /// Only this many of the likeliest tokens; 0 is off. Not OpenAI's.
    #[cfg_attr(test, ts(as = "Option<u32>"))]
    top_k: Option<Whole>,
    /// Makes what was said less likely; 1 is off. Not OpenAI's.
    repetition_penalty: Option<f32>,
    /// The same seed gives the same answer; without one, or by -1, chance chooses it.
    #[cfg_attr(test, ts(as = "Option<u32>"))]
    seed: Option<Whole>,
    /// The older name of `max_completion_tokens`, which many programs still send.
    #[cfg_attr(test, ts(as = "Option<u32>"))]
    max_tokens: Option<Whole>,
    /// Most tokens of the answer; without it, as many as there is room for.
    #[cfg_attr(test, ts(as = "Option<u32>"))]
    max_completion_tokens: Option<Whole>,
    /// Texts in front of which the answer ends: one, or up to four.
    #[cfg_attr(test, ts(inline))]
    stop: Option<Stop>,
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    rest: Rest,
}

/// What else is wanted of a stream.
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields = nullable))]
#[derive(Deserialize)]
pub(crate) struct StreamOptions {
    /// The last chunk tells what the answer took.
    include_usage: Option<bool>,
    #[serde(flatten)]
    #[cfg_attr(test, ts(skip))]
    rest: Rest,
}

/// A text or a few.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Stop {
    One(String),
    Several(Vec<String>),
}

const MOST_STOP_TEXTS: usize = 4;
/// Values of a request; a conversation has a few for each message.
const MOST_VALUES: usize = 100_000;
/// All that was said; the longest context that a model is known to have takes a tenth of it.
const MOST_TEXT_BYTES: usize = 16_000_000;
/// The largest whole number up to which JavaScript holds each exactly.
const MOST_OF_JAVASCRIPT: u64 = (1 << 53) - 1;

impl Ask {
    /// Reads a body. What it does not say is as for `inf-llava chat`, but that answers may be as long as the context,
    /// and that no two have the same seed. `most_pictures`: those that the model knows in a conversation.
    ///
    /// # Errors
    /// [`BadRequest`] naming the field, also where it is one that is not known and has a value.
    pub fn read(
        body: impl AsRef<[u8]>,
        face: Face,
        most_pictures: Option<usize>,
    ) -> Result<Self, BadRequest> {
        // Some programs write a mark in front of all UTF-8.
        let text = body.as_ref();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if text.trim_ascii().is_empty() {
            let message = "the request is no JSON: it has no body";
            return Err(BadRequest::new("bad-json", message));
        }
        check_values(text)?;
        let parsed: Value = serde_json::from_slice(text).map_err(|error| {
            let message = match std::str::from_utf8(text) {
                Ok(_) => format!("the request is no JSON: {error}"),
                Err(error) => format!("the request is no JSON in UTF-8: {error}"),
            };
            BadRequest::new("bad-json", message)
        })?;
        // What was read of it is a copy; if it was handed over, a large picture is not to be there thrice.
        drop(body);
        let mut fields: Fields = fields::read("", parsed)?;
        if face == Face::Server {
            fields.model = Some(need(fields.model, "", "model")?);
        }
        let options = read_options(&mut fields, face)?;
        let stream_options = fields.stream_options.take();
        if let Some(options) = &stream_options {
            refuse_rest_of_stream("stream_options", &options.rest)?;
        }
        let messages = need(fields.messages, "", "messages")?;
        refuse_rest("", &fields.rest)?;
        let conversation = messages::read(messages, face, most_pictures)?;
        check_text(&conversation)?;
        Ok(Ask {
            model: fields.model,
            pictures: conversation.files,
            request: Request {
                system: conversation.system,
                before: conversation.before,
                pictures: conversation.pictures,
                question: conversation.question,
                begun: Vec::new(),
                options,
            },
            states_temperature: fields.temperature.is_some(),
            stream: fields.stream.unwrap_or(false),
            include_usage: stream_options
                .and_then(|options| options.include_usage)
                .unwrap_or(false),
        })
    }

    /// Whether anything is asked. That a picture is none is to be said first, since more is wrong then.
    ///
    /// # Errors
    /// [`Error::EmptyQuestion`], as it is told.
    pub fn check_question(&self) -> Result<(), BadRequest> {
        match self.request.question.trim().is_empty() {
            true => Err(BadRequest::of(&Error::EmptyQuestion, "messages")),
            false => Ok(()),
        }
    }
}

/// Refuses what would take many times its size once it is read: a number of two bytes becomes a value of 32.
fn check_values(body: &[u8]) -> Result<(), BadRequest> {
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
            Err(BadRequest::new("bad-value", message))
        }
    }
}

/// Refuses what no context holds before it is made into tokens, which take many times as much.
fn check_text(conversation: &Conversation) -> Result<(), BadRequest> {
    let before = conversation.before.iter();
    let before: usize = before.map(|e| e.question.len() + e.text.len()).sum();
    let bytes = before + conversation.question.len() + conversation.system.len();
    match bytes <= MOST_TEXT_BYTES {
        true => Ok(()),
        false => {
            let (most, bytes) = (MOST_TEXT_BYTES / 1_000_000, bytes / 1_000_000);
            let message =
                format!("the messages have {bytes} MB of text; at most {most} MB are read");
            Err(BadRequest {
                code: CONTEXT_EXCEEDED,
                ..BadRequest::bad_value("messages", message)
            })
        }
    }
}

fn read_options(fields: &mut Fields, face: Face) -> Result<AskOptions, BadRequest> {
    let default = Sampling::default();
    let sampling = Sampling {
        temperature: fields.temperature.unwrap_or(default.temperature),
        top_p: fields.top_p.unwrap_or(default.top_p),
        top_k: at_least(0, "top_k", fields.top_k)?.unwrap_or(default.top_k),
        repetition_penalty: fields
            .repetition_penalty
            .unwrap_or(default.repetition_penalty),
        seed: read_seed(fields.seed, face)?,
    };
    sampling.validate().map_err(|error| match &error {
        Error::Option { option, .. } => BadRequest::of(&error, option),
        _ => BadRequest::new(error.code(), error.to_string()),
    })?;
    let limits = [
        at_least(1, "max_tokens", fields.max_tokens)?,
        at_least(1, "max_completion_tokens", fields.max_completion_tokens)?,
    ];
    Ok(AskOptions {
        sampling,
        max_new_tokens: limits.into_iter().flatten().min().unwrap_or(usize::MAX),
        stop: read_stop(fields.stop.take())?,
        ..AskOptions::default()
    })
}

/// Whoever asks again without a seed wants another answer, as does -1 in other programs. Another negative one stands for the
/// same bits.
fn read_seed(seed: Option<Whole>, face: Face) -> Result<u64, BadRequest> {
    let bits = match seed {
        None | Some(Whole(-1)) => Ok(platform::random_bits()),
        Some(Whole(seed)) => i64::try_from(seed)
            .map(|seed| seed as u64)
            .or_else(|_| u64::try_from(seed))
            .map_err(|_| wrong("seed".into())),
    };
    match face {
        Face::Server => bits,
        Face::Page => bits.map(|bits| bits & MOST_OF_JAVASCRIPT),
    }
}

/// A whole number of at least `least`; one that is too large for this machine is the largest.
fn at_least(least: i128, name: &str, number: Option<Whole>) -> Result<Option<usize>, BadRequest> {
    match number {
        None => Ok(None),
        Some(Whole(number)) if number >= least => {
            Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)))
        }
        Some(_) => Err(wrong(name.into())),
    }
}

fn read_stop(stop: Option<Stop>) -> Result<Vec<String>, BadRequest> {
    let texts = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Several(texts)) => texts,
    };
    match texts.len() > MOST_STOP_TEXTS || texts.iter().any(String::is_empty) {
        true => Err(wrong("stop".into())),
        false => Ok(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ask, BadRequest, Face};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read(more: Value) -> Result<Ask, BadRequest> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}]});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        Ask::read(body.to_string().into_bytes(), Face::Server, Some(1))
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
        assert!(plain.pictures.is_empty());
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
    fn a_page_needs_no_model_and_holds_smaller_seeds() {
        let page = |body: &str| Ask::read(body, Face::Page, Some(1)).expect("an ask");
        let ask = page(r#"{"messages": [{"role": "user", "content": "q"}], "seed": -2}"#);
        assert_eq!(ask.model, None);
        assert_eq!(ask.request.options.sampling.seed, (1 << 53) - 2);
        assert_eq!(ask.request.options.max_new_tokens, usize::MAX);
        let drawn = page(r#"{"messages": [{"role": "user", "content": "q"}]}"#);
        assert!(drawn.request.options.sampling.seed < 1 << 53);
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
            let refusal = Ask::read(body, Face::Server, Some(1)).expect_err(body);
            assert!(
                ["bad-json", "bad-value"].contains(&refusal.code),
                "{refusal:?}"
            );
        }
        assert!(Ask::read(b"{\"model\": \"\xff\"}", Face::Server, Some(1)).is_err());
    }

    #[test]
    fn what_would_become_many_times_as_large_is_refused() {
        let many = format!("{{\"x\": [{}0]}}", "0,".repeat(200_000));
        let refusal = Ask::read(many.into_bytes(), Face::Server, Some(1)).expect_err("too many");
        assert!(refusal.message.contains("200002 values"), "{refusal:?}");
        let commas = format!("\\\"{}", ",[{".repeat(100_000));
        let text = json!({"messages": [{"role": "user", "content": commas}]});
        assert!(read(text).is_ok());
        let long = "a ".repeat(8_000_001);
        let refusal = read(json!({"messages": [{"role": "user", "content": long}]}));
        let refusal = refusal.expect_err("too long");
        assert_eq!(refusal.code, "context-exceeded");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(Ask::read(body, Face::Server, Some(1)).is_err());
        }
    }
}
