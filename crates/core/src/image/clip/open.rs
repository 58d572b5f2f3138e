//! A video by its name: an animated picture, a folder, or what ffmpeg reads.

use std::io::Read;
use std::path::Path;

use super::super::foreign::foreign;
use super::super::sniff::{self, Format};
use super::animation::{animation, still};
use super::kept::Clip;
use super::options::ClipOptions;
use super::{ffmpeg, folder};
use crate::error::{Error, Result};
use crate::files;
use crate::progress::StopFlag;

/// By which a file is recognised.
const HEAD_BYTES: u64 = 1024;

/// The frames of a video that are looked at. `path` names an animated GIF, WebP or PNG, a folder of pictures
/// (in the order of their names, [`ClipOptions::folder_fps`] a second), or another video, which needs ffmpeg. A file is
/// what its first bytes say, whatever its name is.
///
/// # Errors
/// [`Error::FileAccess`]; [`Error::ImageFormat`] for what is no video, and where ffmpeg is missing, fails or takes too
/// long; [`Error::ImageTooLarge`]; [`Error::ImageDamaged`]; [`Error::Option`] for a rate of frames that is none;
/// [`Error::Stopped`].
pub fn open(path: &Path, options: &ClipOptions, stop: &StopFlag) -> Result<Clip> {
    stop.check()?;
    let file = path.display().to_string();
    let failed = |error: std::io::Error| Error::FileAccess {
        file: file.clone(),
        reason: error.to_string(),
    };
    if path.is_dir() {
        return folder::read(path, options, stop);
    }
    let (opened, _) = files::open(path).map_err(failed)?;
    let mut head = Vec::new();
    opened
        .take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let not_a_video = |what: &str| Error::ImageFormat {
        file: file.clone(),
        reason: format!(
            "this is {what}. Videos can be read: GIF, WebP and PNG animations, folders of pictures, and with ffmpeg others"
        ),
    };
    match (sniff::format(&head), foreign(&head)) {
        (Some(Format::Gif | Format::Png | Format::WebP), _) => {
            let bytes = files::read(path, options.limits.file_bytes()).map_err(failed)?;
            animation(&file, &bytes, options, stop)
        }
        (Some(format), _) => Err(still(&file, format)),
        _ if head.is_empty() => Err(not_a_video("an empty file")),
        (None, Some(what)) if !what.starts_with("a video") => Err(not_a_video(what)),
        (None, _) => ffmpeg::read(path, &file, options, stop),
    }
}
