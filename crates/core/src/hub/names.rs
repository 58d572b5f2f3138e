//! Validates the headers of a hub's answers.
//!
//! In: headers of a possibly hostile hub. Out: plain names and numbers, or an error with the refused value.

use ureq::http::HeaderMap;

use super::content::Hash;
use super::plain::{commit, plain, refused};
use crate::error::Result;

/// An ETag without its quotation marks and weak prefix, which becomes the name of a file.
fn etag(hub: &str, field: &str, value: &str) -> Result<String> {
    let value = value.strip_prefix("W/").unwrap_or(value);
    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    plain(hub, field, bare.unwrap_or(value))
}

/// A hub's description of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The name of its blob.
    pub etag: String,
    /// Its commit.
    pub commit: String,
    /// Its size in bytes, if the hub gives it.
    pub bytes: Option<u64>,
}

impl Facts {
    /// Reads the headers of the hub's own answers to a request for one byte of a file.
    pub fn read(hub: &str, headers: &HeaderMap) -> Result<Self> {
        let (field, tag) = match text(hub, headers, "X-Linked-Etag")? {
            Some(tag) => ("X-Linked-Etag", tag),
            None => ("ETag", text(hub, headers, "ETag")?.unwrap_or_default()),
        };
        let named = text(hub, headers, "X-Repo-Commit")?.unwrap_or_default();
        let linked = match text(hub, headers, "X-Linked-Size")? {
            Some(size) => Some(number(hub, "X-Linked-Size", size)?),
            None => None,
        };
        Ok(Facts {
            etag: etag(hub, field, tag)?,
            commit: commit(hub, "X-Repo-Commit", named)?,
            bytes: linked.or(range(hub, headers)?.and_then(|range| range.total)),
        })
    }

    /// The content's hash, if the ETag is one.
    pub fn hash(&self) -> Option<Hash> {
        Hash::named(&self.etag)
    }
}

/// `Content-Range: bytes 10-19/256`; `bytes */0` for a range that does not exist.
pub(super) struct Range {
    /// Offset of the first byte, if there is one.
    pub start: Option<u64>,
    /// Size of the whole file in bytes.
    pub total: Option<u64>,
}

/// The range of a partial answer.
pub(super) fn range(hub: &str, headers: &HeaderMap) -> Result<Option<Range>> {
    const FIELD: &str = "Content-Range";
    let Some(value) = text(hub, headers, "Content-Range")? else {
        return Ok(None);
    };
    let no_range = || refused(hub, FIELD, value, "it is no range of bytes");
    let parts = value.strip_prefix("bytes ").and_then(|v| v.split_once('/'));
    let (part, total) = parts.ok_or_else(no_range)?;
    let total = match total {
        "*" => None,
        total => Some(number(hub, FIELD, total)?),
    };
    let start = match part.split_once('-') {
        Some((start, _)) => Some(number(hub, FIELD, start)?),
        None if part == "*" => None,
        None => return Err(no_range()),
    };
    Ok(Some(Range { start, total }))
}

/// Refuses a compressed body: none was requested, and its bytes are not those of the file.
pub(super) fn check_encoding(hub: &str, headers: &HeaderMap) -> Result<()> {
    const FIELD: &str = "Content-Encoding";
    for value in headers.get_all(FIELD) {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = value.trim();
        if !value.is_empty() && !value.eq_ignore_ascii_case("identity") {
            let reason = "the content must come as it is; a proxy on the way may have packed it";
            return Err(refused(hub, FIELD, value, reason));
        }
    }
    Ok(())
}

/// The announced length of the body in bytes.
pub(super) fn content_length(hub: &str, headers: &HeaderMap) -> Result<Option<u64>> {
    let value = text(hub, headers, "Content-Length")?;
    value
        .map(|value| number(hub, "Content-Length", value))
        .transpose()
}

fn number(hub: &str, field: &str, value: &str) -> Result<u64> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let number = value.parse().ok().filter(|_| digits);
    number.ok_or_else(|| refused(hub, field, value, "it is no number of bytes"))
}

/// A header's text; `None` if the header is absent.
pub(super) fn text<'a>(hub: &str, headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| {
        let found = String::from_utf8_lossy(value.as_bytes());
        refused(hub, name, &found, "it is no plain text")
    })?;
    Ok(Some(text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://hub.example";

    #[test]
    fn only_plain_names_become_paths() {
        for value in [
            "",
            ".",
            "..",
            "../../x",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a.incomplete",
            "a\0",
            "a\n",
            "a b",
            "C:",
            "ä",
            "~",
            "\"",
            "\"\"",
            "W/",
            "-".repeat(129).as_str(),
        ] {
            let error = etag(HUB, "ETag", value).expect_err(value).to_string();
            assert!(error.contains(HUB) && error.contains("ETag"), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
            assert!(commit(HUB, "sha", value).is_err(), "{value:?}");
        }
        for value in ["\"0a-9Z_\"", "W/\"0a-9Z_\"", "0a-9Z_"] {
            assert_eq!(etag(HUB, "ETag", value).as_deref(), Ok("0a-9Z_"));
        }
    }

    #[test]
    fn ranges_are_read_or_refused() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-range", value.parse().expect("a value"));
            range(HUB, &headers).map(|range| range.map(|range| (range.start, range.total)))
        };
        assert_eq!(read("bytes 0-0/7"), Ok(Some((Some(0), Some(7)))));
        assert_eq!(read("bytes 5-9/*"), Ok(Some((Some(5), None))));
        assert_eq!(read("bytes */0"), Ok(Some((None, Some(0)))));
        for value in [
            "",
            "bytes",
            "bytes 0/7",
            "bytes 0-0/-7",
            "bytes 0-0/18446744073709551616",
            "lines 0-0/7",
        ] {
            assert!(read(value).is_err(), "{value}");
        }
    }
}
