//! Errors of decoders in this crate's words.
//!
//! In: what a decoder says, and the file's name. Out: a typed error that says what is wrong with the
//! file and what to do. This module must not know how anything is decoded.

use std::io::ErrorKind;

use ::gif::DecodingError;
use image::ImageError;

use super::jpeg::Fault;
use super::sniff::Format;
use crate::Error;

pub(super) const BREAKS_OFF: &str = "it breaks off before its end";
pub(super) const CONTRADICTS: &str = "its parts contradict one another";
pub(super) const NO_ROOM: &str = "it would take more memory than its size accounts for";

/// The error for a JPEG that cannot be decoded.
pub(super) fn explain_jpeg(file: &str, fault: Fault) -> Error {
    match fault {
        Fault::Kind(kind) => explain_kind(file, Format::Jpeg, &kind),
        Fault::Damaged(how) => explain_damage(file, Format::Jpeg, &how),
    }
}

/// A decoder's error in this crate's words, since the decoder's own describes its internals.
pub(super) fn explain(file: &str, format: Format, error: ImageError) -> Error {
    match error {
        ImageError::Unsupported(_) => explain_kind(file, format, "a rare one"),
        ImageError::Limits(_) => explain_damage(file, format, NO_ROOM),
        ImageError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            explain_damage(file, format, BREAKS_OFF)
        }
        _ => explain_damage(file, format, CONTRADICTS),
    }
}

pub(super) fn explain_kind(file: &str, format: Format, kind: &str) -> Error {
    let name = format.name();
    let instead = match format {
        Format::Jpeg => "a baseline JPEG or as PNG",
        Format::Png => "an ordinary PNG or as JPEG",
        _ => "PNG",
    };
    let reason =
        format!("this is a kind of {name} that is not read here ({kind}); save it as {instead}");
    Error::ImageFormat {
        file: file.into(),
        reason,
    }
}

pub(super) fn explain_damage(file: &str, format: Format, how: &str) -> Error {
    let name = format.name();
    let reason = format!("the {name} is damaged ({how}); copy, download or save it again");
    Error::ImageDamaged {
        file: file.into(),
        reason,
    }
}

/// The error for a GIF that cannot be decoded.
pub(super) fn explain_gif(file: &str, error: &DecodingError) -> Error {
    let how = match error {
        DecodingError::UnexpectedEof => BREAKS_OFF,
        DecodingError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => BREAKS_OFF,
        DecodingError::MemoryLimit | DecodingError::OutOfMemory => NO_ROOM,
        _ => CONTRADICTS,
    };
    explain_damage(file, Format::Gif, how)
}
