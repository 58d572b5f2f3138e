//! Validates names before they are used in paths and addresses: those that a hub gives, and those that users write.
//!
//! In: untrusted text. Out: plain names, or an error with the refused value.

use crate::error::{Error, Result};
use crate::printable::quoted;

/// Longest ETag and commit, in bytes. Real ones have 40 or 64 characters.
const NAME_CAP: usize = 128;
/// Longest path of a file in a repository, in bytes.
const PATH_CAP: usize = 1024;

/// The error for an invalid value.
pub(super) fn refused(hub: &str, field: &str, value: &str, reason: impl Into<String>) -> Error {
    Error::Hub {
        hub: hub.into(),
        field: field.into(),
        value: quoted(value),
        reason: reason.into(),
    }
}

/// Checks that `value` can be used as a part of a path: letters, digits, `-` and `_` only. Without
/// dots it cannot be `..`, hidden, or end like the cache's own names (`.incomplete`).
pub(super) fn plain(hub: &str, field: &str, value: &str) -> Result<String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if value.is_empty() || value.len() > NAME_CAP || !value.bytes().all(is_plain) {
        let reason = format!(
            "it must be 1 to {NAME_CAP} letters, digits, '-' or '_', since files are named by it; nothing was written"
        );
        return Err(refused(hub, field, value, reason));
    }
    Ok(value.into())
}

/// A commit, which becomes the name of a folder.
pub(super) fn commit(hub: &str, field: &str, value: &str) -> Result<String> {
    plain(hub, field, value)
}

/// Checks the path of a file from a hub's list: relative, and inside the repository.
pub(super) fn check_path(hub: &str, path: &str) -> Result<()> {
    let is_inside = |part: &str| !matches!(part, "" | "." | "..");
    let is_portable = !path.contains('\\') && !path.contains(char::is_control);
    if path.len() > PATH_CAP || !is_portable || !path.split('/').all(is_inside) {
        let reason = "a file's path must lead into the repository; nothing was downloaded";
        return Err(refused(hub, "file", path, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: &str = "https://hub.example";

    #[test]
    fn a_listed_file_stays_in_its_repository() {
        for path in [
            "", "..", "../x", "a/../b", "/a", "a//b", "a/", "./a", "a\\b", "a\x1b",
        ] {
            assert!(check_path(HUB, path).is_err(), "{path:?}");
        }
        for path in [
            "model.safetensors",
            "original/consolidated.00.pth",
            ".gitattributes",
            "a b..c",
        ] {
            assert_eq!(check_path(HUB, path), Ok(()), "{path:?}");
        }
    }
}
