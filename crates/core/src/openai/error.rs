//! Why a request is not understood, and the object in which OpenAI's clients look for any failure.

use std::fmt;

use serde::Serialize;

use crate::error::Error;

/// [`Error::code`] of what does not fit the context.
pub(super) const CONTEXT_EXCEEDED: &str = "context-exceeded";
/// Codes that clients act on, and what they look for: OpenAI's words.
const CLIENTS_CODES: [(&str, &str); 1] = [(CONTEXT_EXCEEDED, "context_length_exceeded")];

/// What is wrong with a request. It is always the client's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// The kind of failure, for programs: [`Error::code`] where it is the library's.
    pub code: &'static str,
    /// The request's field that is at fault, if one is: `messages[0].content[1].type`.
    pub param: Option<String>,
    /// For people.
    pub message: String,
}

impl BadRequest {
    /// In no field that could be named.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        BadRequest {
            code,
            param: None,
            message: message.into(),
        }
    }

    /// A field that is missing, or has a value that makes no sense.
    pub fn bad_value(param: impl Into<String>, message: impl Into<String>) -> Self {
        BadRequest {
            param: Some(param.into()),
            ..BadRequest::new("bad-value", message)
        }
    }

    /// A field whose meaning cannot be kept to. To leave it out silently would be wrong.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        BadRequest {
            code: "unsupported",
            ..BadRequest::bad_value(param, message)
        }
    }

    /// What the library says of the field `param`.
    pub(super) fn of(error: &Error, param: impl Into<String>) -> Self {
        BadRequest {
            param: Some(param.into()),
            ..BadRequest::new(error.code(), error.to_string())
        }
    }
}

/// Whose fault it is, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The client's.
    InvalidRequestError,
    /// The server's.
    ServerError,
}

/// `{"error": {...}}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// What clients raise as an error of their own.
    pub error: ErrorObject<'a>,
}

/// A failure, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorObject<'a> {
    /// For people.
    pub message: &'a str,
    /// Whose fault it is.
    #[serde(rename = "type")]
    pub kind: ErrorKind,
    /// The request's field that is at fault, if one is.
    pub param: Option<&'a str>,
    /// What clients look for, where that is another word than this program's own.
    pub code: &'a str,
    /// This program's own.
    pub inf_llava_code: &'a str,
}

impl<'a> ErrorBody<'a> {
    /// Tells of a failure with this program's `code`.
    pub fn new(kind: ErrorKind, code: &'a str, param: Option<&'a str>, message: &'a str) -> Self {
        let known = CLIENTS_CODES.iter().find(|(own, _)| *own == code);
        ErrorBody {
            error: ErrorObject {
                message,
                kind,
                param,
                code: known.map_or(code, |(_, theirs)| theirs),
                inf_llava_code: code,
            },
        }
    }
}

/// As JSON.
impl fmt::Display for ErrorBody<'_> {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_json(self, text)
    }
}

/// Writes what is told as one line.
pub(super) fn write_json(value: &impl Serialize, text: &mut fmt::Formatter<'_>) -> fmt::Result {
    let json = serde_json::to_string(value).map_err(|_| fmt::Error)?;
    text.write_str(&json)
}
