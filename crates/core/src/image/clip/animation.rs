//! The frames of an animated picture that are looked at.

use image::RgbImage;

use super::super::decode::{orientation, recognise, upright};
use super::super::sniff::Format;
use super::gif::{self, GifLayers};
use super::kept::{Clip, Kept};
use super::layers::{Layers, Outline};
use super::options::ClipOptions;
use super::png::Apng;
use super::screen::Screen;
use super::webp::WebPLayers;
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// An animation: its outline, the way it is held by its EXIF metadata, and what decodes it.
struct Animation<'a> {
    outline: Outline,
    exif: &'a [u8],
    layers: Box<dyn Layers + 'a>,
}

/// The frames of an animated GIF, WebP or PNG that are looked at.
///
/// `file` is the name for messages. Layers are laid on one another as browsers do: what lies beyond the canvas is not
/// seen, a GIF's canvas grows to its first frame, and delays up to 10 ms count as 100 ms. Transparency and EXIF
/// orientation are as in [`super::super::decode_on`]. All frames up to the last that is looked at are decoded, one
/// after the other; `stop` is heard between them.
///
/// # Errors
/// As [`super::super::decode`]; [`Error::ImageFormat`] also for a picture that is not animated, for too many frames, and
/// for more than memory and time are given to; [`Error::Stopped`].
pub fn animation(file: &str, bytes: &[u8], options: &ClipOptions, stop: &StopFlag) -> Result<Clip> {
    let limits = &options.limits;
    let format = recognise(file, bytes, limits)?;
    let animation = match format {
        Format::Gif => match gif::outline(file, bytes, limits)? {
            None => None,
            Some(outline) => {
                limits.check(file, outline.canvas)?;
                let layers = Box::new(GifLayers::new(file, bytes, limits)?);
                Some(Animation {
                    outline,
                    exif: &[],
                    layers,
                })
            }
        },
        Format::Png => Apng::new(file, bytes, limits)?.map(|(outline, layers)| Animation {
            outline,
            exif: layers.exif,
            layers: Box::new(layers),
        }),
        Format::WebP => WebPLayers::new(file, bytes, limits)?.map(|(outline, layers)| Animation {
            outline,
            exif: layers.exif,
            layers: Box::new(layers),
        }),
        Format::Jpeg | Format::Bmp => None,
    };
    let animation = animation.ok_or_else(|| still(file, format))?;
    shown(file, animation, options, stop)
}

/// The error for a picture that is not animated.
pub(super) fn still(file: &str, format: Format) -> Error {
    Error::ImageFormat {
        file: file.into(),
        reason: format!(
            "this is a {} that is not animated; give it as a picture",
            format.name()
        ),
    }
}

/// Decodes what is needed, and keeps what is looked at.
fn shown(
    file: &str,
    animation: Animation<'_>,
    options: &ClipOptions,
    stop: &StopFlag,
) -> Result<Clip> {
    let Animation {
        outline,
        exif,
        mut layers,
    } = animation;
    options.limits.check(file, outline.canvas)?;
    let (frames, seconds) = (outline.frames(), outline.seconds());
    let wanted = options
        .choice
        .frames(frames, frames as f64 / seconds, seconds);
    let mut kept = Kept::new(file, options, wanted.len(), frames, seconds)?;
    kept.check(outline.canvas)?;
    let most = options.most_decoded_pixels();
    let last = wanted.last().copied().unwrap_or(0);
    if outline.pixels_to(last) > most {
        let most = most / 1_000_000;
        return Err(Error::ImageFormat {
            file: file.into(),
            reason: format!(
                "its frames have more than {most} megapixels together; scale it down, or cut the part to look at out of it first"
            ),
        });
    }
    let orientation = orientation(exif);
    let mut screen = Screen::new(outline.canvas);
    let mut wanted = wanted.into_iter().peekable();
    for frame in 0..=last {
        stop.check()?;
        screen.lay(&layers.next()?);
        if wanted.next_if_eq(&frame).is_some() {
            let picture = screen.picture(options.ground);
            let (width, height) = outline.canvas;
            let picture = match RgbImage::from_raw(width, height, picture.rgb) {
                Some(image) => upright(image, orientation),
                None => continue, // a screen has as many pixels as its canvas
            };
            kept.push(picture, outline.time_s(frame))?;
        }
    }
    Ok(kept.done())
}
