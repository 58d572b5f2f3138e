//! The frames of a video that are looked at, as they come in.

use super::super::Picture;
use super::options::{ClipOptions, MOST_HELD};
use crate::error::{Error, Result};

/// Notices of single frames that are kept; more would say the same.
const MOST_NOTICES: usize = 3;

/// The frames of a video that are looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// In their order; at least one.
    pub frames: Vec<Picture>,
    /// When each is shown, in seconds from the beginning.
    pub times_s: Vec<f64>,
    /// How long the video takes.
    pub seconds: f64,
    /// How many frames the video has.
    pub of: usize,
    /// Notices for the user, one sentence each; usually empty.
    pub notices: Vec<String>,
}

/// The frames so far.
pub(super) struct Kept<'a> {
    file: &'a str,
    most_bytes: u64,
    bytes: u64,
    wanted: usize,
    clip: Clip,
}

impl<'a> Kept<'a> {
    /// For `wanted` frames of `file`, which has `of` and takes `seconds`.
    ///
    /// # Errors
    /// [`Error::ImageFormat`] for a video without frames.
    pub(super) fn new(
        file: &'a str,
        options: &ClipOptions,
        wanted: usize,
        of: usize,
        seconds: f64,
    ) -> Result<Self> {
        if wanted == 0 {
            return Err(Error::ImageFormat {
                file: file.into(),
                reason: "it has no frame to look at".into(),
            });
        }
        let kept = Kept {
            file,
            most_bytes: options.most_held_bytes(),
            bytes: 0,
            wanted,
            clip: Clip {
                frames: Vec::new(),
                times_s: Vec::new(),
                seconds,
                of,
                notices: Vec::new(),
            },
        };
        match wanted > MOST_HELD {
            true => Err(kept.too_much(format!("{wanted} frames"))),
            false => Ok(kept),
        }
    }

    /// Refuses frames of this size (width, height) if all that are wanted would take too much memory.
    ///
    /// # Errors
    /// [`Error::ImageFormat`].
    pub(super) fn check(&self, (width, height): (u32, u32)) -> Result<()> {
        let frame = 3 * u64::from(width) * u64::from(height);
        match frame.saturating_mul(self.wanted as u64) > self.most_bytes {
            true => {
                let what = format!("{} frames of {width} x {height} pixels", self.wanted);
                Err(self.too_much(what))
            }
            false => Ok(()),
        }
    }

    fn too_much(&self, what: String) -> Error {
        let most = self.most_bytes / 1_000_000;
        Error::ImageFormat {
            file: self.file.into(),
            reason: format!(
                "{what} are more than are held at once ({MOST_HELD} frames, {most} MB); look at fewer, or scale them down first"
            ),
        }
    }

    /// Keeps the next frame, which is shown at `time_s`.
    ///
    /// # Errors
    /// [`Error::ImageFormat`] if all would take too much memory.
    pub(super) fn push(&mut self, mut picture: Picture, time_s: f64) -> Result<()> {
        self.bytes += picture.rgb.len() as u64;
        if self.bytes > self.most_bytes {
            return Err(self.too_much(format!("{} frames", self.wanted)));
        }
        let room = MOST_NOTICES.saturating_sub(self.clip.notices.len());
        let notices = std::mem::take(&mut picture.notices).into_iter();
        self.clip.notices.extend(notices.take(room));
        self.clip.frames.push(picture);
        self.clip.times_s.push(time_s);
        Ok(())
    }

    /// All of them.
    pub(super) fn done(self) -> Clip {
        self.clip
    }
}
