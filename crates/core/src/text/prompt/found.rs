//! Where a checkpoint keeps its chat template.
//!
//! In: the files of a model's folder, untrusted. Out: the template's text.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::config::{
    CHAT_TEMPLATE_FILE, CHAT_TEMPLATE_JSON_FILE, PROCESSOR_FILE, TOKENIZER_CONFIG_FILE,
};
use crate::error::{Error, Result};
use crate::foreign;

/// The longest template that is taken, in bytes. Published ones have up to twenty thousand.
pub(super) const MAX_BYTES: usize = 128 << 10;

const NO_DEFAULT: &str = "chat_template has several templates, and none that is called default; put the one to take into a file of its own, and name that with --chat-template";

/// A file that may hold a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptFile {
    /// Its name.
    pub name: &'static str,
    /// Bytes of it that are read at most.
    pub most_bytes: u64,
}

/// Where a template is looked for, in this order, as transformers does.
pub const PROMPT_FILES: [PromptFile; 4] = [
    file(PROCESSOR_FILE, 1 << 20),
    file(CHAT_TEMPLATE_JSON_FILE, 1 << 20),
    file(CHAT_TEMPLATE_FILE, 1 << 20),
    // Some list thousands of added tokens in this one.
    file(TOKENIZER_CONFIG_FILE, 16 << 20),
];

const fn file(name: &'static str, most_bytes: u64) -> PromptFile {
    PromptFile { name, most_bytes }
}

/// A template, not looked at yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file that it is from, for messages.
    pub file: String,
    /// The template.
    pub text: String,
}

#[derive(Deserialize)]
struct Holder {
    chat_template: Option<Entry>,
}

/// The entry `chat_template`: a template, or several by name.
enum Entry {
    One(String),
    Named(BTreeMap<String, String>),
}

/// An entry of the older form, a list.
#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

struct EntryVisitor;

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a template, or templates with their names")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::One(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry, A::Error> {
        let mut named = BTreeMap::new();
        while let Some(Named { name, template }) = list.next_element()? {
            named.insert(name, template);
        }
        Ok(Entry::Named(named))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut named = BTreeMap::new();
        while let Some((name, template)) = map.next_entry()? {
            named.insert(name, template);
        }
        Ok(Entry::Named(named))
    }
}

/// The template in a file called `file`: all of it, or where its name ends with `.json` the entry `chat_template`. None where there is no such entry. Of several templates the one called `default` is taken.
///
/// # Errors
/// [`Error::Config`]: no UTF-8, no JSON, an entry of another kind, several templates none of which is the default; too long.
pub fn read_prompt(file: &str, bytes: &[u8]) -> Result<Option<Found>> {
    let bad = |reason: String| Error::config(file, reason);
    let text = match file.ends_with(".json") {
        false => {
            let text = foreign::text(bytes).map_err(bad)?;
            let text = std::str::from_utf8(text).map_err(|error| bad(error.to_string()))?;
            Some(text.to_string())
        }
        true => {
            let holder: Holder = foreign::json(bytes).map_err(bad)?;
            match holder.chat_template {
                None => None,
                Some(Entry::One(text)) => Some(text),
                Some(Entry::Named(mut named)) => match named.remove("default") {
                    Some(text) => Some(text),
                    None => return Err(bad(NO_DEFAULT.into())),
                },
            }
        }
    };
    let Some(text) = text else { return Ok(None) };
    if text.len() > MAX_BYTES {
        let (found, most) = (text.len() >> 10, MAX_BYTES >> 10);
        return Err(bad(format!(
            "the chat template has {found} KiB; at most {most} KiB are read"
        )));
    }
    Ok(Some(Found {
        file: file.into(),
        text,
    }))
}
