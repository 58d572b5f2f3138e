//! Why a request is not answered: a status, and what OpenAI's clients look for.

use axum::http::StatusCode;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};

use inf_llava::error::Error;
use inf_llava::openai::{BadRequest, ErrorBody, ErrorKind};

/// Encodings of a body that are unpacked, which a refusal of another one offers (RFC 7694, 3).
pub const UNPACKED: &str = "gzip, deflate";
/// A status, and what `{"error": {...}}` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Of the answer; once an answer streams it cannot be told any more.
    pub status: StatusCode,
    /// The kind of failure, for programs: [`Error::code`] where it is the library's.
    pub code: &'static str,
    /// The request's field that is at fault, if one is.
    pub param: Option<String>,
    /// For people.
    pub message: String,
    /// Seconds after which the same request may be answered.
    pub retry_after: Option<u32>,
}

/// Of an error: the model's files are others than those that were loaded.
const MODEL_CHANGED: &str = "model-changed";
/// Answers take seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

impl Refusal {
    /// The client's fault, in no field that could be named.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            code,
            param: None,
            message: message.into(),
            retry_after: None,
        }
    }

    /// Too much is asked at once, or the server ends.
    pub fn busy(code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(RETRY_AFTER_SECONDS),
            ..Refusal::bad_request(code, message)
        }
    }

    /// The server is being stopped, and with it what it was asked.
    pub fn stopping() -> Self {
        Refusal::busy("stopping", "the server is being stopped; ask again later")
    }

    /// Who asks, or for whom, is not served.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Refusal {
            status: StatusCode::FORBIDDEN,
            ..Refusal::bad_request(code, message)
        }
    }

    /// A field that is missing, or has a value that makes no sense.
    pub fn bad_value(param: impl Into<String>, message: impl Into<String>) -> Self {
        Refusal {
            param: Some(param.into()),
            ..Refusal::bad_request("bad-value", message)
        }
    }

    /// The program's fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Refusal::bad_request("internal", message)
        }
    }

    /// `{"error": {...}}`, as JSON.
    pub fn json(&self) -> String {
        let kind = match self.status.is_server_error() {
            true => ErrorKind::ServerError,
            false => ErrorKind::InvalidRequestError,
        };
        ErrorBody::new(kind, self.code, self.param.as_deref(), &self.message).to_string()
    }
}

impl From<BadRequest> for Refusal {
    fn from(bad: BadRequest) -> Self {
        Refusal {
            param: bad.param,
            ..Refusal::bad_request(bad.code, bad.message)
        }
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let (status, param) = match error {
            Error::Option { option, .. } => (StatusCode::BAD_REQUEST, Some(option.as_str())),
            Error::ImageFormat { .. }
            | Error::ImageDamaged { .. }
            | Error::ImageTooLarge { .. }
            | Error::ImageShape { .. }
            | Error::EmptyQuestion
            | Error::ContextExceeded { .. } => (StatusCode::BAD_REQUEST, Some("messages")),
            Error::Memory { .. }
            | Error::Device { .. }
            | Error::DeviceLost { .. }
            | Error::OutOfMemory { .. } => (StatusCode::SERVICE_UNAVAILABLE, None),
            // The next question loads the model as it is now.
            changed if changed.code() == MODEL_CHANGED => (StatusCode::SERVICE_UNAVAILABLE, None),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let retry_after = (error.code() == MODEL_CHANGED).then_some(RETRY_AFTER_SECONDS);
        let message = match error {
            // Natively a device is made once and stays lost as long as the program runs.
            Error::DeviceLost { reason } => {
                format!("the graphics device was lost ({reason}): start inf-llava serve again")
            }
            // LiteLLM looks for these words, and LangChain for the code in the words.
            Error::ContextExceeded { context_tokens, .. } => format!(
                "This model's maximum context length is {context_tokens} tokens (context_length_exceeded): {error}"
            ),
            other => other.to_string(),
        };
        Refusal {
            status,
            code: error.code(),
            param: param.map(str::to_string),
            message,
            retry_after,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = self.json();
        let kind = [(CONTENT_TYPE, "application/json")];
        let mut response = (self.status, kind, body).into_response();
        if self.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            let unpacked = HeaderValue::from_static(UNPACKED);
            response.headers_mut().insert(ACCEPT_ENCODING, unpacked);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
