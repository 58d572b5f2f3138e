//! POPE (arXiv 2305.10355): whether an object is in the picture, answered with yes or no.
//!
//! ```text
//! {"question_id": 1, "image": "x.jpg", "text": "Is there a dog in the image?", "label": "yes"}
//! ```
//!
//! In: an untrusted file of such lines. Out: [`Records`] with one turn each, whose answer is the
//! label.

use std::io::{BufRead, Read};
use std::path::Path;

use serde_json::Value;

use super::{OnBadRecord, Reason, Record, Records, Turn, file};
use crate::{Error, Result};

/// Longest line in bytes; POPE's have less than 200.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Reads the lines in `json_lines`, whose pictures are in `folder`. Blank lines are ignored; a line
/// longer than 1 MiB is an unusable entry.
///
/// # Errors
/// [`Error::FileAccess`]; [`Error::Dataset`] for a file that is too large, or has such a line and
/// no usable entry; [`Error::BadRecord`] if `on_bad` is [`OnBadRecord::Refuse`].
pub fn read(json_lines: &Path, folder: &Path, on_bad: OnBadRecord) -> Result<Records> {
    let name = json_lines.display().to_string();
    let mut records = Records::new(&name);
    let mut reader = file::open(json_lines)?;
    let failed = |error: std::io::Error| Error::FileAccess {
        file: name.clone(),
        reason: error.to_string(),
    };
    let (mut line, mut too_long) = (Vec::new(), None);
    loop {
        line.clear();
        let read = Read::by_ref(&mut reader)
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(&failed)?;
        if read == 0 {
            break;
        }
        let is_cut = read as u64 == MAX_LINE_BYTES && line.last() != Some(&b'\n');
        if is_cut {
            too_long.get_or_insert(records.skipped.total);
            let id = format!("#{}", records.skipped.total);
            let reason = format!("a line of more than {MAX_LINE_BYTES} bytes");
            records.take(id, Err(Reason::Malformed(reason)), on_bad)?;
            skip_line(&mut reader).map_err(&failed)?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let index = records.skipped.total;
        let (id, entry) = match serde_json::from_slice::<Value>(&line) {
            Ok(entry) => {
                let id = file::id(entry.get("question_id"), index);
                (id.clone(), record(&entry, id, folder))
            }
            Err(error) => (
                format!("#{index}"),
                Err(Reason::Malformed(format!("it is no JSON: {error}"))),
            ),
        };
        records.take(id, entry, on_bad)?;
    }
    match too_long.filter(|_| records.records.is_empty()) {
        Some(at) => Err(Error::Dataset {
            file: name,
            reason: format!(
                "entry {at} is a line of more than {MAX_LINE_BYTES} bytes, and no other can be used: these are no lines of JSON"
            ),
        }),
        None => Ok(records),
    }
}

/// Skips the rest of a line, holding no more of it than the reader's buffer.
fn skip_line(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let held = reader.fill_buf()?;
        let (length, ends) = match held.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (held.len(), held.is_empty()),
        };
        reader.consume(length);
        if ends {
            return Ok(());
        }
    }
}

fn record(entry: &Value, id: String, folder: &Path) -> Result<Record, Reason> {
    let text = |key: &str| {
        let text = entry.get(key).and_then(Value::as_str);
        text.ok_or_else(|| Reason::Malformed(format!("it has no text {key:?}")))
    };
    let (question, label) = (text("text")?, text("label")?);
    if question.trim().is_empty() {
        return Err(Reason::Empty(0));
    }
    if !matches!(label, "yes" | "no") {
        return Err(Reason::Label(label.into()));
    }
    let image = file::picture(folder, text("image")?)?;
    Ok(Record {
        id,
        image: Some(image),
        turns: vec![Turn {
            question: question.trim().into(),
            answer: label.into(),
        }],
        families: None,
        held_out: None,
    })
}
