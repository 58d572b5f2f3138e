//! Checks that apply to the files of all data sets: their size, and the paths of pictures in them.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::Reason;
use super::reason::shown;
use crate::foreign::{self, BYTE_ORDER_MARK, HEAD_BYTES};
use crate::{Error, Result, files};

/// The largest file that is read, in bytes. LLaVA's largest has about 1 GB.
pub const MAX_BYTES: u64 = 2 << 30;
/// Longest name of a picture in bytes; operating systems do not allow longer paths.
const MAX_NAME_BYTES: usize = 4096;

/// Opens a data set and skips its byte order mark if it has one; at most [`MAX_BYTES`] are read,
/// even if the file grows meanwhile.
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
    // An empty file is allowed here: it is a list without entries.
    let reason = foreign::told(&head[..head.len().min(HEAD_BYTES)], false);
    if let Some(reason) = reason {
        return Err(Error::Dataset { file: name, reason });
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    Ok(reader)
}

/// The picture `name` in `folder`, which must exist. The name is untrusted: it must stay inside the
/// folder, after symbolic links are resolved too, since a data set's archive may contain links.
/// (The folder itself may be a link.)
pub(super) fn picture(folder: &Path, name: &str) -> Result<PathBuf, Reason> {
    let path = Path::new(name);
    let inside = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    // A backslash or a colon is part of a name on some systems and a separator on others.
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

/// An id for messages: a string or number from the entry, otherwise the entry's index in the file.
pub(super) fn id(value: Option<&Value>, index: usize) -> String {
    match value {
        Some(Value::String(text)) => shown(text),
        Some(Value::Number(number)) => number.to_string(),
        _ => format!("#{index}"),
    }
}
