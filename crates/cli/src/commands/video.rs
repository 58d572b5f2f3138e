//! The videos that a command is given.

use std::path::Path;

use clap::Args;

use super::arguments::{above_zero, at_least_one};
use super::input::{image_name, is_address, is_stdin};
use inf_llava::error::{Error, Result};
use inf_llava::image::clip::{Clip, ClipOptions, FOLDER_FPS, open};
use inf_llava::platform::Timer;
use inf_llava::progress::StopFlag;
use inf_llava::session::Session;

/// How videos are looked at.
#[derive(Args)]
pub(super) struct VideoArgs {
    /// Most frames of a video that are looked at [default: as the model's files say, and as the context holds]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    frames: Option<usize>,
    /// Frames a second of a video that is a folder of pictures
    #[arg(long, value_name = "F", default_value_t = FOLDER_FPS, value_parser = above_zero)]
    fps: f64,
}

impl VideoArgs {
    /// How the session's model reads a video.
    ///
    /// # Errors
    /// As [`Session::clip_options`]: a model that sees no videos says so.
    pub(super) fn options(&self, session: &Session) -> Result<ClipOptions> {
        session.clip_options(self.frames, self.fps)
    }
}

/// Refuses what cannot be a video, before a model is loaded.
///
/// # Errors
/// [`Error::Option`] for stdin; [`Error::ImageFormat`] for an address, and for a file or folder that is not there.
pub(super) fn check_video(path: &Path) -> Result<()> {
    let failed = |reason: String| Error::ImageFormat {
        file: image_name(path),
        reason,
    };
    if is_stdin(path) {
        return Err(Error::Option {
            option: "--video -".into(),
            reason: "a video is not read from stdin; name a file, or a folder of frames".into(),
        });
    }
    if is_address(path) {
        return Err(failed(
            "it is an address, and none is fetched; download the video first".into(),
        ));
    }
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(failed(format!("it cannot be opened: {error}"))),
    }
}

/// The frames of a video that are looked at, and how many milliseconds it took to read them.
///
/// # Errors
/// As [`open`].
pub(super) fn read_video(
    path: &Path,
    options: &ClipOptions,
    stop: &StopFlag,
) -> Result<(Clip, f64)> {
    let timer = Timer::start();
    let clip = open(path, options, stop)?;
    Ok((clip, timer.elapsed_ms()))
}
