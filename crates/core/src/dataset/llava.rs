//! LLaVA's data sets: one JSON list of conversations, and a folder of pictures.
//!
//! ```text
//! [{"id": "7", "image": "a/b.png", "conversations": [
//!     {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "A cat."}]}]
//! ```
//!
//! In: an untrusted file. Out: [`Records`]. `families` and `held_out`, with one value for each
//! turn, are this project's extension. The list is read entry by entry: only usable entries are
//! kept in memory, and reading continues after an entry that is not valid JSON.

use std::path::Path;

use serde_json::Value;

use super::list::{Broken, Entries, MAX_ENTRY_BYTES};
use super::{OnBadRecord, Reason, Record, Records, Turn, file};
use crate::{Error, Result};

/// The placeholder for the picture in a question.
const IMAGE: &str = "<image>";

/// Reads the list in `json`, whose pictures are in `folder`.
///
/// `<image>` is removed from the first question, at any position in it, and the question is
/// trimmed, as in the release, which then puts the picture first.
///
/// # Errors
/// [`Error::FileAccess`]; [`Error::Dataset`] for a file that is too large or not a list of entries;
/// [`Error::BadRecord`] if `on_bad` is [`OnBadRecord::Refuse`].
pub fn read(json: &Path, folder: &Path, on_bad: OnBadRecord) -> Result<Records> {
    let name = json.display().to_string();
    let mut records = Records::new(&name);
    let mut entries = Entries::new(file::open(json)?);
    let mut bytes = Vec::new();
    loop {
        match entries.next(&mut bytes) {
            Ok(true) => {}
            Ok(false) => return Ok(records),
            Err(Broken::Read(error)) => {
                return Err(Error::FileAccess {
                    file: name,
                    reason: error.to_string(),
                });
            }
            Err(Broken::Form(what)) => {
                return Err(Error::Dataset {
                    file: name,
                    reason: format!(
                        "it is no list of conversations: {what} (after {} entries)",
                        records.skipped.total
                    ),
                });
            }
        }
        let entry = parsed(&bytes);
        let id = file::id(
            entry.as_ref().ok().and_then(|entry| entry.get("id")),
            records.skipped.total,
        );
        let record = entry.and_then(|entry| record(&entry, id.clone(), folder));
        records.take(id, record, on_bad)?;
    }
}

fn parsed(entry: &[u8]) -> Result<Value, Reason> {
    if entry.len() > MAX_ENTRY_BYTES {
        return Err(Reason::Malformed(format!(
            "it has more than {MAX_ENTRY_BYTES} bytes"
        )));
    }
    serde_json::from_slice(entry)
        .map_err(|error| Reason::Malformed(format!("it is no JSON: {error}")))
}

fn malformed(what: &str) -> Reason {
    Reason::Malformed(what.into())
}

fn record(entry: &Value, id: String, folder: &Path) -> Result<Record, Reason> {
    let said = entry.get("conversations").and_then(Value::as_array);
    let said = said.ok_or_else(|| malformed("it has no list \"conversations\""))?;
    let mut turns = turns(said)?;
    let image = match entry.get("image") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(file::picture(folder, name)?),
        Some(_) => return Err(malformed("\"image\" is no text")),
    };
    place_image(&mut turns, image.is_some())?;
    for (index, turn) in turns.iter().enumerate() {
        if turn.question.trim().is_empty() || turn.answer.trim().is_empty() {
            return Err(Reason::Empty(index));
        }
    }
    let families = each_turn(entry, "families", turns.len(), |value| {
        value.as_str().map(String::from)
    })?;
    let held_out = each_turn(entry, "held_out", turns.len(), Value::as_bool)?;
    Ok(Record {
        id,
        image,
        turns,
        families,
        held_out,
    })
}

/// Pairs of questions and answers; checks that the roles alternate.
fn turns(said: &[Value]) -> Result<Vec<Turn>, Reason> {
    let mut spoken = Vec::with_capacity(said.len());
    for sentence in said {
        let text = |key: &str| sentence.get(key).and_then(Value::as_str);
        let (Some(role), Some(value)) = (text("from"), text("value")) else {
            return Err(malformed("a sentence lacks \"from\" or \"value\""));
        };
        let human = match role {
            "human" => true,
            "gpt" => false,
            other => return Err(Reason::UnknownRole(other.into())),
        };
        spoken.push((human, value));
    }
    let pairs = spoken.chunks(2).map(|pair| match pair {
        [(true, question), (false, answer)] => Ok(Turn {
            question: (*question).into(),
            answer: (*answer).into(),
        }),
        _ => Err(Reason::RoleOrder),
    });
    let turns: Vec<Turn> = pairs.collect::<Result<_, _>>()?;
    match turns.is_empty() {
        true => Err(Reason::RoleOrder),
        false => Ok(turns),
    }
}

/// Removes `<image>` from the first question; it must occur only there, and once.
fn place_image(turns: &mut [Turn], has_image: bool) -> Result<(), Reason> {
    let marks = |text: &str| text.matches(IMAGE).count();
    let count = |turn: &Turn| marks(&turn.question) + marks(&turn.answer);
    let total: usize = turns.iter().map(count).sum();
    if total > 1 {
        return Err(Reason::TwoImages);
    }
    let first = turns.first_mut().filter(|turn| marks(&turn.question) == 1);
    match (has_image, first) {
        (true, Some(first)) => {
            first.question = first.question.replace(IMAGE, "").trim().into();
            Ok(())
        }
        (true, None) => Err(Reason::ImageNotInFirstQuestion),
        (false, _) if total == 1 => Err(Reason::ImageUnnamed),
        (false, _) => Ok(()),
    }
}

/// An optional list that must have one value for each turn.
fn each_turn<T>(
    entry: &Value,
    key: &str,
    turns: usize,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<Vec<T>>, Reason> {
    let list = match entry.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(list) => list.as_array().filter(|list| list.len() == turns),
    };
    let values: Option<Vec<T>> = list.and_then(|list| list.iter().map(read).collect());
    match values {
        Some(values) => Ok(Some(values)),
        None => Err(Reason::Malformed(format!(
            "{key:?} is not one value for each of the {turns} turns"
        ))),
    }
}
