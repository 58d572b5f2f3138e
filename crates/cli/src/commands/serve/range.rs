//! Which part of a file is asked for, and whether the asker has it already (RFC 9110, sections 13 and 14).

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::{
    AsHeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

/// What a file is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// Bytes.
    pub length: u64,
    /// In quotation marks, a strong one.
    pub tag: String,
    /// In whole seconds, as a header can say it.
    pub changed: Option<SystemTime>,
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, which are there.
    Part(Range<u64>),
    /// Nothing: the asker has it.
    NotModified,
    /// Nothing: the asker wants another version.
    PreconditionFailed,
    /// Nothing: no byte that is asked for is there.
    OutOfRange,
}

impl Version {
    /// Of a file of `length` bytes that was changed last at `changed`.
    pub fn new(length: u64, changed: Option<SystemTime>) -> Self {
        let since = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
        let nanos = since.map_or(0, |since| since.as_nanos());
        Version {
            length,
            tag: format!("\"{length:x}-{nanos:x}\""),
            changed: since.map(|since| UNIX_EPOCH + Duration::from_secs(since.as_secs())),
        }
    }

    /// What a request's headers ask of it.
    pub fn wanted(&self, headers: &HeaderMap) -> Wanted {
        let text = |name| text(headers, name);
        let date = |name| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
        match (text(IF_MATCH), date(IF_UNMODIFIED_SINCE), self.changed) {
            (Some(tags), _, _) if !self.is_among(tags, false) => return Wanted::PreconditionFailed,
            (None, Some(since), Some(changed)) if changed > since => {
                return Wanted::PreconditionFailed;
            }
            _ => {}
        }
        match (text(IF_NONE_MATCH), date(IF_MODIFIED_SINCE), self.changed) {
            (Some(tags), _, _) if self.is_among(tags, true) => return Wanted::NotModified,
            (None, Some(since), Some(changed)) if changed <= since => return Wanted::NotModified,
            _ => {}
        }
        match text(RANGE) {
            Some(range) if self.is_still(headers) => self.part(range),
            _ => Wanted::Whole,
        }
    }

    /// Whether a list of tags has this one's. `weak`: also as a weak one.
    fn is_among(&self, tags: &str, weak: bool) -> bool {
        tags.split(',').map(str::trim).any(|tag| {
            let tag = if weak {
                tag.strip_prefix("W/").unwrap_or(tag)
            } else {
                tag
            };
            tag == "*" || tag == self.tag
        })
    }

    /// Whether If-Range, where there is one, names this version. A date is too coarse to name one that has just been
    /// written, but then it is compared as it was told.
    fn is_still(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(IF_RANGE) {
            return true;
        }
        let Some(validator) = text(headers, IF_RANGE) else {
            return false;
        };
        let date = httpdate::parse_http_date(validator).ok();
        validator == self.tag || date.is_some_and(|date| self.changed == Some(date))
    }

    /// The bytes that `bytes=...` names. What is put wrong, in another unit or of several parts is as if it were not
    /// there: then all is sent.
    fn part(&self, range: &str) -> Wanted {
        let Some((unit, spec)) = range.split_once('=') else {
            return Wanted::Whole;
        };
        let Some((first, last)) = spec.trim().split_once('-') else {
            return Wanted::Whole;
        };
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return Wanted::Whole;
        }
        let (start, end) = match (number(first), number(last)) {
            // The last ones; where there are fewer, all.
            (Some(None), Some(Some(count))) if count > 0 && self.length > 0 => {
                (self.length.saturating_sub(count), self.length)
            }
            (Some(None), Some(Some(_))) => return Wanted::OutOfRange,
            (Some(Some(first)), Some(None)) => (first, self.length),
            (Some(Some(first)), Some(Some(last))) if first <= last => {
                (first, last.saturating_add(1).min(self.length))
            }
            _ => return Wanted::Whole,
        };
        match start < end {
            true => Wanted::Part(start..end),
            false => Wanted::OutOfRange,
        }
    }
}

/// A header that is there once.
fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?.to_str().ok()?;
    all.next().is_none().then_some(first)
}

/// Digits, or nothing at all; none if it is anything else. A number beyond all files is the largest one.
fn number(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::{Version, Wanted};
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn version() -> Version {
        Version::new(256, Some(UNIX_EPOCH + Duration::from_millis(1_000_000_500)))
    }

    fn wanted(headers: &[(&'static str, &str)]) -> Wanted {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a value");
            map.append(HeaderName::from_static(name), value);
        }
        version().wanted(&map)
    }

    #[test]
    fn ranges_are_as_the_standard_has_them() {
        use Wanted::{OutOfRange, Part, Whole};
        for (range, expected) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=10-19", Part(10..20)),
            ("bytes=250-", Part(250..256)),
            ("bytes=250-9999", Part(250..256)),
            ("Bytes = 1 - 2", Part(1..3)),
            ("bytes=-6", Part(250..256)),
            ("bytes=-256", Part(0..256)),
            ("bytes=-257", Part(0..256)),
            ("bytes=-99999999999999999999999", Part(0..256)),
            ("bytes=0-99999999999999999999999", Part(0..256)),
            ("bytes=256-", OutOfRange),
            ("bytes=99999999999999999999999-", OutOfRange),
            ("bytes=-0", OutOfRange),
            ("bytes=5-4", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1--2", Whole),
            ("bytes=0-0,2-3", Whole),
            ("lines=1-2", Whole),
        ] {
            assert_eq!(wanted(&[("range", range)]), expected, "{range}");
        }
        let twice = [("range", "bytes=0-1"), ("range", "bytes=2-3")];
        assert_eq!(wanted(&twice), Whole);
        let empty = Version::new(0, None);
        for range in ["bytes=0-", "bytes=-1"] {
            let header = HeaderValue::from_str(range).expect("a value");
            let headers = HeaderMap::from_iter([("range".parse().expect("a name"), header)]);
            assert_eq!(empty.wanted(&headers), OutOfRange, "{range}");
        }
    }

    #[test]
    fn a_part_of_another_version_is_not_sent() {
        use Wanted::{NotModified, Part, PreconditionFailed, Whole};
        let tag = version().tag;
        let (date, earlier) = (
            "Mon, 12 Jan 1970 13:46:40 GMT",
            "Mon, 12 Jan 1970 13:46:39 GMT",
        );
        let weak = format!("W/{tag}");
        let range = ("range", "bytes=0-1");
        for (name, value, expected) in [
            ("if-range", tag.as_str(), Part(0..2)),
            ("if-range", date, Part(0..2)),
            ("if-range", "\"other\"", Whole),
            ("if-range", &weak, Whole),
            ("if-range", earlier, Whole),
            ("if-range", "Mon, 12 Jan 2970 13:46:40 GMT", Whole),
            ("if-none-match", &tag, NotModified),
            ("if-none-match", &weak, NotModified),
            ("if-none-match", "\"a\", *", NotModified),
            ("if-none-match", "\"a\"", Part(0..2)),
            ("if-modified-since", date, NotModified),
            ("if-modified-since", earlier, Part(0..2)),
            ("if-modified-since", "yesterday", Part(0..2)),
            ("if-match", &tag, Part(0..2)),
            ("if-match", "*", Part(0..2)),
            ("if-match", &weak, PreconditionFailed),
            ("if-unmodified-since", date, Part(0..2)),
            ("if-unmodified-since", earlier, PreconditionFailed),
        ] {
            assert_eq!(wanted(&[range, (name, value)]), expected, "{name}: {value}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_never_beyond_the_file(range in "(bytes)?=?[0-9]{0,3}-?[0-9]{0,3}[,x]?") {
            if let Wanted::Part(part) = wanted(&[("range", &range)]) {
                prop_assert!(part.start < part.end && part.end <= 256);
            }
        }
    }
}
