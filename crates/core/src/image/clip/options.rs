//! What a video is read with: limits, which frames are looked at, the programs that help.

use std::path::PathBuf;
use std::time::Duration;

use super::super::{Limits, PAD_COLOUR};
use crate::spec::{Sampling, TimedSpec, Video, evenly};

/// The most frames that are held at once, whatever a model would look at: each is a pass of the tower.
pub const MOST_HELD: usize = 1024;
/// Frames a second of a folder of pictures, if nobody says otherwise.
pub const FOLDER_FPS: f64 = 1.0;

/// Which frames of a video a model looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    video: Video,
    most: usize,
}

impl Choice {
    /// As `video` says, and at most `most`, or [`MOST_HELD`].
    pub fn new(video: Video, most: usize) -> Self {
        Choice {
            video,
            most: most.min(MOST_HELD),
        }
    }

    /// The frames that are looked at, ascending, of a video of `frames` at `native_fps` a second that takes `seconds`.
    /// At least one, unless there are none.
    pub fn frames(&self, frames: usize, native_fps: f64, seconds: f64) -> Vec<usize> {
        match self.video {
            Video::Timed(TimedSpec { sampling, .. }) => {
                let sampling = Sampling {
                    max_frames: self.most,
                    ..sampling
                };
                sampling.frames(frames, native_fps, seconds)
            }
            Video::Pooled => evenly(frames, self.most.max(1)),
        }
    }
}

/// The programs that read videos which are no animated pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// Decodes frames; a name without a folder is looked for on the `PATH`.
    pub ffmpeg: PathBuf,
    /// Tells sizes and times.
    pub ffprobe: PathBuf,
    /// How long they may take for a video, all together.
    pub within: Duration,
}

impl Default for Tools {
    /// What is on the `PATH`, for ten minutes.
    fn default() -> Self {
        Tools {
            ffmpeg: "ffmpeg".into(),
            ffprobe: "ffprobe".into(),
            within: Duration::from_secs(600),
        }
    }
}

/// How a video is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipOptions {
    /// Of each frame; together they take at most [`ClipOptions::most_held_bytes`].
    pub limits: Limits,
    /// The colour behind transparent pixels (red, green, blue).
    pub ground: [u8; 3],
    /// Which frames are looked at.
    pub choice: Choice,
    /// Frames a second of a folder of pictures.
    pub folder_fps: f64,
    /// For videos that are no animated pictures.
    pub tools: Tools,
}

impl ClipOptions {
    /// With the default limits and programs.
    pub fn new(choice: Choice) -> Self {
        ClipOptions {
            limits: Limits::default(),
            ground: PAD_COLOUR,
            choice,
            folder_fps: FOLDER_FPS,
            tools: Tools::default(),
        }
    }

    /// Bytes of all frames that are held: 25 for each pixel of the largest picture, which is 1.6 GB natively: 64 frames
    /// of 3840 x 2160 pixels.
    pub fn most_held_bytes(&self) -> u64 {
        self.limits.max_pixels.saturating_mul(25)
    }

    /// Peak memory in bytes while an animation of `file_bytes` is read, in addition to the file itself: the frames that
    /// are held, the canvas and what it was before, the layer that is laid on it, and a decoder at work.
    pub fn most_bytes(&self, file_bytes: usize) -> u64 {
        let canvases = self.limits.max_pixels.saturating_mul(3 * 4);
        let decoder = self.limits.most_bytes(file_bytes);
        let held = self.most_held_bytes();
        held.saturating_add(canvases).saturating_add(decoder)
    }

    /// Pixels of all layers that are decoded for one animation: as many as 256 of the largest pictures have.
    pub(super) fn most_decoded_pixels(&self) -> u64 {
        self.limits.max_pixels.saturating_mul(256)
    }
}
