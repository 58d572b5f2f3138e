//! What all data sets' files have in common: how large they may be, and which pictures they may
//! name.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::Reason;
use super::reason::shown;
use crate::foreign::{self, BYTE_ORDER_MARK, HEAD_BYTES};
use crate::{Error, Result, files};

/// The largest file that is read, in bytes. LLaVA's largest has about 1 GB.
pub const MAX_BYTES: u64 = 2 << 30;
/// The longest name of a picture, in bytes: no system has longer paths.
const MAX_NAME_BYTES: usize = 4096;

/// Opens a data set, behind its byte order mark if it has one; more than [`MAX_BYTES`] of it are never read, even if it
/// grows.
pub(super) fn open(path: &Path) -> Result<impl BufRead> {
    let name = path.display().to_string();
    let fail = |error: std::io::Error| Error::FileAccess {
        file: name.clone(),
        reason: error.to_string(),
    };
    let (file, state) = match files::open(path) {
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return Err(Error::Dataset {
                file: name,
                reason: error.to_string(),
            });
        }
        opened => opened.map_err(fail)?,
    };
    if state.bytes > MAX_BYTES {
        let (found, most) = (state.bytes >> 20, MAX_BYTES >> 20);
        return Err(Error::Dataset {
            file: name,
            reason: format!("it has {found} MiB; at most {most} MiB are read. Split it"),
        });
    }
    let mut reader = BufReader::new(file.take(MAX_BYTES));
    let head = reader.fill_buf().map_err(fail)?;
    // An empty list of questions is one.
    let reason = foreign::told(&head[..head.len().min(HEAD_BYTES)], false);
    if let Some(reason) = reason {
        return Err(Error::Dataset { file: name, reason });
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(reader)
}

/// The picture `name` in `folder`, which must be there. The name comes from a stranger: it may
/// lead into the folder's own folders and nowhere else, by links neither: a data set is often unpacked
/// with its pictures, so that a link among them is a stranger's too. (The folder itself may be a link.)
pub(super) fn picture(folder: &Path, name: &str) -> Result<PathBuf, Reason> {
    let path = Path::new(name);
    let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    // A backslash or a colon is a part of a name on one system and leads elsewhere on another.
    let portable = !name.contains(['\\', ':', '\0']);
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !portable || !path.components().all(inside)
    {
        return Err(Reason::ImageName(name.into()));
    }
    let path = folder.join(path);
    if !path.is_file() {
        return Err(Reason::ImageMissing(name.into()));
    }
    match files::belongs(folder, &path) {
        Ok(true) => Ok(path),
        Ok(false) => Err(Reason::ImageName(name.into())),
        Err(_) => Err(Reason::ImageMissing(name.into())),
    }
}

/// An id for messages: a string or a number as it stands, else the entry's place in the file.
pub(super) fn id(value: Option<&Value>, index: usize) -> String {
    match value {
        Some(Value::String(text)) => shown(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => format!("#{index}"),
    }
}
