//! The keys of an object in a file: their values checked, and named in full in messages.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::checks::{COUNT_CAP, SIZE_CAP};
use super::ids::OneOrMany;
use crate::error::{Error, Result};
use crate::printable::{one_line, quoted};

/// Most characters of a list that a message shows.
const SHOWN_CHARS: usize = 100;

/// An object of a file.
#[derive(Clone)]
pub(super) struct Keys<'a> {
    file: &'static str,
    /// In front of its keys' names: nothing, or the keys that lead to it.
    prefix: String,
    /// None where the file has no such object.
    entries: Option<&'a Map<String, Value>>,
}

impl<'a> Keys<'a> {
    /// A whole file.
    pub(super) fn of(file: &'static str, value: &'a Value) -> Result<Self> {
        let entries = value
            .as_object()
            .ok_or_else(|| Error::config(file, "it must be an object ({...})"))?;
        Ok(Keys {
            file,
            prefix: String::new(),
            entries: Some(entries),
        })
    }

    /// A file that is not there.
    pub(super) fn empty(file: &'static str) -> Self {
        Keys {
            file,
            prefix: String::new(),
            entries: None,
        }
    }

    /// Refuses keys other than `known`: of an object that is this project's own.
    pub(super) fn check_known(&self, known: &[&str]) -> Result<()> {
        let mut keys = self.entries.into_iter().flat_map(Map::keys);
        match keys.find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(Error::config(
                self.file,
                format!(
                    "{}{} is not known; the keys are {}",
                    self.prefix,
                    quoted(key),
                    known.join(", ")
                ),
            )),
        }
    }

    /// The object of the key `name`; none if it is absent or null.
    pub(super) fn within(&self, name: &str) -> Result<Option<Keys<'a>>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let entries = value
            .as_object()
            .ok_or_else(|| self.must_be(name, "an object, or null"))?;
        Ok(Some(Keys {
            file: self.file,
            prefix: format!("{}{name}.", self.prefix),
            entries: Some(entries),
        }))
    }

    /// As [`Keys::within`]; of an object that is not there all keys are absent.
    pub(super) fn within_or_empty(&self, name: &str) -> Result<Keys<'a>> {
        Ok(self.within(name)?.unwrap_or_else(|| Keys {
            file: self.file,
            prefix: format!("{}{name}.", self.prefix),
            entries: None,
        }))
    }

    /// The name of a key, from the file's top.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// An error of this file that begins with the key's name.
    pub(super) fn bad(&self, name: &str, what: impl Display) -> Error {
        Error::config(self.file, format!("{}{name} {what}", self.prefix))
    }

    /// Whether the key is there, be it null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.entries.and_then(|entries| entries.get(name))
    }

    /// The value of a key; none if it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.value(name).filter(|value| !value.is_null())
    }

    /// Refuses null.
    fn stated(&self, name: &str) -> Result<()> {
        match self.value(name) {
            Some(Value::Null) => {
                Err(self.bad(name, "is null; state it, or leave it out for its default"))
            }
            _ => Ok(()),
        }
    }

    /// That the value of a key must be `what`.
    pub(super) fn must_be(&self, name: &str, what: impl Display) -> Error {
        let found = self.shown(name);
        self.bad(name, format_args!("is {found}, it must be {what}"))
    }

    /// That the value of a key is none of those that are `supported`.
    pub(super) fn only(&self, name: &str, supported: impl Display) -> Error {
        let found = self.shown(name);
        self.bad(name, format_args!("is {found}; supported: {supported}"))
    }

    /// The value of a key, for messages.
    fn shown(&self, name: &str) -> String {
        match self.value(name) {
            None => "absent".into(),
            Some(Value::String(text)) => quoted(text),
            // Long, and told by its brackets.
            Some(Value::Object(_)) => "an object".into(),
            Some(other) => {
                let shown = one_line(&other.to_string());
                match shown.char_indices().nth(SHOWN_CHARS) {
                    None => shown,
                    Some((end, _)) => format!("{}...", &shown[..end]),
                }
            }
        }
    }

    /// A text; none if it is absent or null.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.must_be(name, "a text"));
        self.get(name).map(text).transpose()
    }

    /// `true` or `false`; none if it is absent or null.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        let flag = |value: &Value| {
            value
                .as_bool()
                .ok_or_else(|| self.must_be(name, "true or false"))
        };
        self.get(name).map(flag).transpose()
    }

    /// A number that may be absent, and must not be null.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>> {
        self.stated(name)?;
        self.number_or_null(name)
    }

    /// A number; none if it is absent or null.
    pub(super) fn number_or_null(&self, name: &str) -> Result<Option<f64>> {
        let number = |value: &Value| value.as_f64().ok_or_else(|| self.must_be(name, "a number"));
        self.get(name).map(number).transpose()
    }

    /// A positive number, or `default` if it is absent.
    pub(super) fn positive(&self, name: &str, default: f64) -> Result<f64> {
        match self.number(name)? {
            None => Ok(default),
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(_) => Err(self.must_be(name, "a positive number")),
        }
    }

    /// A whole number that may be absent, and must not be null.
    pub(super) fn whole(&self, name: &str) -> Result<Option<usize>> {
        self.stated(name)?;
        self.whole_or_null(name)
    }

    /// A whole number; none if it is absent or null.
    pub(super) fn whole_or_null(&self, name: &str) -> Result<Option<usize>> {
        let whole = |value: &Value| {
            let whole = value.as_u64();
            let whole = whole.ok_or_else(|| self.must_be(name, "a whole number"))?;
            Ok(usize::try_from(whole).unwrap_or(usize::MAX))
        };
        self.get(name).map(whole).transpose()
    }

    /// A whole number from 1 to `cap`, or `default` if it is absent.
    pub(super) fn up_to(&self, cap: usize, name: &str, default: usize) -> Result<usize> {
        match self.whole(name)?.unwrap_or(default) {
            value if (1..=cap).contains(&value) => Ok(value),
            _ => Err(self.must_be(name, format_args!("1 to {cap}"))),
        }
    }

    /// A size, or `default` if it is absent.
    pub(super) fn size(&self, name: &str, default: usize) -> Result<usize> {
        self.up_to(SIZE_CAP, name, default)
    }

    /// The number of layers or heads, or `default` if it is absent.
    pub(super) fn count(&self, name: &str, default: usize) -> Result<usize> {
        self.up_to(COUNT_CAP, name, default)
    }

    /// The number of a token; none if it is absent or null.
    pub(super) fn id(&self, name: &str) -> Result<Option<u32>> {
        let id = |value: &Value| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| self.must_be(name, "the number of a token"))
        };
        self.get(name).map(id).transpose()
    }

    /// The numbers of tokens, one or a list; none if the key is absent or null.
    pub(super) fn ids(&self, name: &str) -> Result<Option<OneOrMany>> {
        let ids = |value: &Value| {
            OneOrMany::of(value).ok_or_else(|| {
                self.must_be(name, "the number of a token, or a list of such numbers")
            })
        };
        self.get(name).map(ids).transpose()
    }
}
