//! The frames of a video that a browser has decoded, in one file: what the page makes of a video, and gives to the engine.
//! It begins with [`MAGIC`], then come the length of the head in 4 bytes, the lowest first, the head ([`Head`], JSON), and
//! the pictures of the frames one after the other. Without frames in the head, an animated picture follows it.

use serde::{Deserialize, Serialize};

use super::super::decode_watched_on;
use super::animation::animation;
use super::kept::{Clip, Kept};
use super::options::{ClipOptions, MOST_HELD};
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// The first bytes.
const MAGIC: &[u8; 8] = b"\x89ILREEL\n";
/// Of all that a head can say.
const MOST_HEAD_BYTES: usize = 256 << 10;
/// No video is longer; eleven days.
const MOST_SECONDS: f64 = 1e6;

/// What a reel says of its video.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, ts(rename = "ReelHead"))]
pub struct Head {
    /// How long the video takes.
    pub seconds: f64,
    /// How many frames the video has.
    pub of: usize,
    /// Those that are looked at, ascending; none for an animated picture.
    pub frames: Vec<ReelFrame>,
}

/// A frame of a reel.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReelFrame {
    /// When it is shown, in seconds from the beginning.
    pub time_s: f64,
    /// Length of its picture's file.
    pub bytes: usize,
}

/// Whether a file is a reel.
pub fn is_reel(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// The frames of a reel, which are all looked at; of an animated picture, those that `options` choose.
///
/// # Errors
/// [`Error::ImageDamaged`] for a head that is none, or whose frames are not what follows; as
/// [`super::super::decode`] and [`animation`]; [`Error::Stopped`].
pub fn reel(file: &str, bytes: &[u8], options: &ClipOptions, stop: &StopFlag) -> Result<Clip> {
    let (head, mut rest) = open(file, bytes)?;
    if head.frames.is_empty() {
        return animation(file, rest, options, stop);
    }
    let wanted = head.frames.len();
    let mut kept = Kept::new(file, options, wanted, head.of.max(wanted), head.seconds)?;
    for (index, frame) in head.frames.iter().enumerate() {
        let Some((picture, behind)) = rest.split_at_checked(frame.bytes) else {
            return Err(damaged(file, format!("frame {index} is cut off")));
        };
        rest = behind;
        let name = format!("{file}, frame {index}");
        let picture = decode_watched_on(&name, picture, &options.limits, options.ground, stop)?;
        kept.push(picture, frame.time_s)?;
    }
    match rest.is_empty() {
        true => Ok(kept.done()),
        false => Err(damaged(file, format!("{} bytes too many", rest.len()))),
    }
}

/// The head, and what follows.
fn open<'a>(file: &str, bytes: &'a [u8]) -> Result<(Head, &'a [u8])> {
    let cut = || damaged(file, "its head is cut off".into());
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(cut)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MOST_HEAD_BYTES {
        let reason = format!("its head has {length} bytes; at most {MOST_HEAD_BYTES} are read");
        return Err(damaged(file, reason));
    }
    let (head, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    let head: Head = serde_json::from_slice(head)
        .map_err(|error| damaged(file, format!("its head: {error}")))?;
    let count = head.frames.len();
    if count > MOST_HELD {
        let reason = format!("it has {count} frames; at most {MOST_HELD} are held");
        return Err(damaged(file, reason));
    }
    let times = || head.frames.iter().map(|frame| frame.time_s);
    let are_within = times().all(|time| (0.0..=head.seconds).contains(&time));
    if !(are_within && times().is_sorted() && (0.0..=MOST_SECONDS).contains(&head.seconds)) {
        let reason = "the times of its frames do not ascend from 0 to its length";
        return Err(damaged(file, reason.into()));
    }
    Ok((head, rest))
}

fn damaged(file: &str, reason: String) -> Error {
    Error::ImageDamaged {
        file: file.into(),
        reason: format!("the frames of the video are damaged: {reason}"),
    }
}
