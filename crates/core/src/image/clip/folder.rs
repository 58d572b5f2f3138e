//! A folder of pictures as a video: in the order of their names, so many a second.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::decode_watched_on;
use super::kept::{Clip, Kept};
use super::options::ClipOptions;
use crate::error::{Error, Result};
use crate::files;
use crate::progress::StopFlag;

/// How the names of pictures end.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "bmp"];
/// The most files that are looked through.
const MOST_FILES: usize = 100_000;

/// The frames of a folder that are looked at. Files whose names begin with a dot, or end otherwise than pictures' names
/// do, are no frames. Numbers in names are compared as numbers, so that `9.png` comes before `10.png`.
///
/// # Errors
/// [`Error::FileAccess`]; [`Error::ImageFormat`] for a folder without pictures or with too many files;
/// [`Error::Option`] for a rate that is none; as [`super::super::decode`]; [`Error::Stopped`].
pub(super) fn read(path: &Path, options: &ClipOptions, stop: &StopFlag) -> Result<Clip> {
    let name = path.display().to_string();
    let fps = options.folder_fps;
    if !(fps.is_finite() && fps > 0.0) {
        return Err(Error::Option {
            option: "fps".into(),
            reason: format!("{fps} frames a second are no rate; it must be above 0"),
        });
    }
    let frames = pictures(path, &name, stop)?;
    let seconds = frames.len() as f64 / fps;
    let wanted = options.choice.frames(frames.len(), fps, seconds);
    let mut kept = Kept::new(&name, options, wanted.len(), frames.len(), seconds)?;
    for frame in wanted {
        let Some(path) = frames.get(frame) else {
            continue; // what is wanted is among them
        };
        let file = path.display().to_string();
        let bytes = files::read(path, options.limits.file_bytes());
        let bytes = bytes.map_err(|error| unreadable(&file, &error))?;
        let picture = decode_watched_on(&file, &bytes, &options.limits, options.ground, stop)?;
        kept.push(picture, frame as f64 / fps)?;
    }
    Ok(kept.done())
}

fn unreadable(file: &str, error: &std::io::Error) -> Error {
    Error::FileAccess {
        file: file.into(),
        reason: error.to_string(),
    }
}

/// The pictures of a folder, in their order.
fn pictures(folder: &Path, name: &str, stop: &StopFlag) -> Result<Vec<PathBuf>> {
    let refused = |reason: String| Error::ImageFormat {
        file: name.into(),
        reason,
    };
    let failed = |error| unreadable(name, &error);
    let mut found = Vec::new();
    for (count, entry) in fs::read_dir(folder).map_err(failed)?.enumerate() {
        stop.check()?;
        if count == MOST_FILES {
            return Err(refused(format!(
                "the folder has more than {MOST_FILES} files; move the frames to look at into one of their own"
            )));
        }
        let path = entry.map_err(failed)?.path();
        if is_frame(&path) {
            found.push(path);
        }
    }
    if found.is_empty() {
        let endings = ENDINGS.join(", .");
        return Err(refused(format!(
            "the folder has no picture to look at; its frames are the files whose names end in .{endings}"
        )));
    }
    found.sort_by(|one, other| in_order(&file_name(one), &file_name(other)));
    Ok(found)
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn is_frame(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    let is_picture = ENDINGS
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known));
    is_picture && !file_name(path).starts_with('.')
}

/// Compares names as people count: digits by what they say, everything else letter by letter.
fn in_order(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    loop {
        let (digits_a, digits_b) = (digits(a), digits(b));
        if !digits_a.is_empty() && !digits_b.is_empty() {
            let numbers = [digits_a, digits_b].map(|digits| digits.trim_start_matches('0'));
            let [x, y] = numbers;
            match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                Ordering::Equal => {}
                unequal => return unequal,
            }
            (a, b) = (&a[digits_a.len()..], &b[digits_b.len()..]);
            continue;
        }
        let (mut letters_a, mut letters_b) = (a.chars(), b.chars());
        match (letters_a.next(), letters_b.next()) {
            // Zeros in front of numbers.
            (None, None) => return one.cmp(other),
            (x, y) if x != y => return x.cmp(&y),
            _ => (a, b) = (letters_a.as_str(), letters_b.as_str()),
        }
    }
}

/// The digits that a text begins with.
fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = [
            "b1.png",
            "a10.png",
            "a9.png",
            "a9.2.png",
            "a09.png",
            "a.png",
            "10.png",
            "9.png",
            "a99999999999999999999999.png",
            "",
            "é2.png",
            "é10.png",
            "a10b2.png",
            "a10b10.png",
        ];
        names.sort_by(|one, other| in_order(one, other));
        assert_eq!(
            names,
            [
                "",
                "9.png",
                "10.png",
                "a.png",
                "a9.2.png",
                "a09.png",
                "a9.png",
                "a10.png",
                "a10b2.png",
                "a10b10.png",
                "a99999999999999999999999.png",
                "b1.png",
                "é2.png",
                "é10.png",
            ]
        );
    }
}
