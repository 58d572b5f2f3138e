//! What a request says that its body is. JSON is read whatever it is called, since programs call it many things; what it
//! is called explains why it could not be read.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};

use super::refusal::Refusal;

/// A request's `Content-Type`, in lower case; empty if it says none.
#[derive(Debug, Default)]
pub struct SaidType(String);

impl SaidType {
    /// As a request says it.
    pub fn new(headers: &HeaderMap) -> Self {
        let said = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
        let said = String::from_utf8_lossy(said.unwrap_or_default());
        SaidType(
            said.chars()
                .take(200)
                .collect::<String>()
                .to_ascii_lowercase(),
        )
    }

    /// Refuses letters that would be read as others.
    ///
    /// # Errors
    /// 415 with `bad-encoding` for another charset than UTF-8, where `body` has letters that differ in it.
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        let parameters = self.0.split(';').skip(1);
        let charset = parameters
            .filter_map(|one| one.trim().strip_prefix("charset="))
            .next();
        let charset = charset.map(|charset| charset.trim_matches(['"', '\'', ' ']));
        match charset {
            None | Some("utf-8" | "utf8" | "") => Ok(()),
            Some(charset)
                if body.is_ascii()
                    && !charset.starts_with("utf-16")
                    && !charset.starts_with("utf-32") =>
            {
                Ok(())
            }
            Some(charset) => Err(Refusal {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ..Refusal::bad_request(
                    "bad-encoding",
                    format!(
                        "the request says that its letters are {charset:?}; JSON is sent in UTF-8"
                    ),
                )
            }),
        }
    }

    /// A refusal of what is no JSON, which says what it was sent as.
    /// A body that was meant to be JSON is not to blame for its type, which right JSON may have.
    pub fn explain(&self, refusal: Refusal, was_meant_as_json: bool) -> Refusal {
        let kind = self.0.split(';').next().unwrap_or_default().trim();
        let is_json = kind.ends_with("json") || kind.is_empty();
        match refusal.code == "bad-json" && !is_json && !was_meant_as_json {
            true => Refusal {
                message: format!(
                    "{}; it was sent as {kind:?}, and must be application/json",
                    refusal.message
                ),
                ..refusal
            },
            false => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue};

    use super::SaidType;
    use crate::commands::serve::refusal::Refusal;

    fn said(value: &str) -> SaidType {
        let value = HeaderValue::from_str(value).expect("a value");
        SaidType::new(&HeaderMap::from_iter([(
            axum::http::header::CONTENT_TYPE,
            value,
        )]))
    }

    #[test]
    fn json_is_read_whatever_it_is_called_if_its_letters_are_clear() {
        for (value, ascii, other) in [
            ("application/json", true, true),
            ("application/json; charset=utf-8", true, true),
            ("Application/JSON;Charset=\"UTF8\"", true, true),
            ("text/plain", true, true),
            ("application/json; charset=us-ascii", true, false),
            ("application/json; charset=ISO-8859-1", true, false),
            ("application/json; charset=utf-16le", false, false),
            ("application/json; charset", true, true),
        ] {
            assert_eq!(said(value).check(b"{}").is_ok(), ascii, "{value}");
            assert_eq!(
                said(value).check("\u{e9}".as_bytes()).is_ok(),
                other,
                "{value}"
            );
        }
        assert!(SaidType::default().check("\u{e9}".as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_json_is_told_what_it_was_sent_as() {
        let explained = |value, code| {
            said(value)
                .explain(Refusal::bad_request(code, "why"), false)
                .message
        };
        assert!(
            explained("multipart/form-data; boundary=x", "bad-json")
                .contains("\"multipart/form-data\"")
        );
        let meant = Refusal::bad_request("bad-json", "why");
        let told = said("application/x-www-form-urlencoded").explain(meant, true);
        assert_eq!(told.message, "why");
        for (value, code) in [
            ("application/json", "bad-json"),
            ("application/problem+json", "bad-json"),
            ("", "bad-json"),
            ("text/plain", "bad-value"),
        ] {
            assert_eq!(explained(value, code), "why", "{value}");
        }
    }
}
