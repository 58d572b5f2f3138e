//! Decodes the bytes of an untrusted file to RGB pixels.
//!
//! In: a file's bytes and [`Limits`]. Out: a [`Picture`], or an error that names the file and says
//! what to do. This module must not know what the pixels are for. It differs from the released
//! program (PIL's `convert("RGB")`) in two ways: the EXIF orientation is applied, and transparent
//! pixels are blended with a colour, [`super::PAD_COLOUR`]; the release ignores both. Opaque, upright
//! pictures are unaffected.

use std::io::Cursor;
use std::path::Path;

use image::codecs::{bmp, png, webp};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, RgbImage};

use super::explain::{
    CONTRADICTS, explain, explain_damage, explain_gif, explain_jpeg, explain_kind,
};
use super::foreign::foreign;
use super::gif;
use super::jpeg::{Fault, Jpeg};
use super::picture::Picture;
use super::preprocess::PAD_COLOUR;
use super::rgb::{from_palette, to_rgb8, to_rgba8};
use super::sniff::{self, Format};
use crate::{Error, Result, files};

/// The ground of a sheet of paper, for [`decode_on`].
pub const WHITE: [u8; 3] = [255; 3];
/// Memory for decoders in addition to the picture's own pixels: 64 MiB.
const TABLES_BYTES: u64 = 64 << 20;

/// Size limits, checked against the header before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Width times height, in pixels.
    pub max_pixels: u64,
    /// The longer side, in pixels.
    pub max_side: u32,
}

impl Limits {
    /// 64 megapixels, for native programs.
    pub const NATIVE: Limits = Limits {
        max_pixels: 64_000_000,
        max_side: 16_384,
    };
    /// 24 megapixels, for the browser, where memory is scarce.
    pub const BROWSER: Limits = Limits {
        max_pixels: 24_000_000,
        max_side: 16_384,
    };

    /// Refuses a size above the limits ([`Error::ImageTooLarge`]) or without any pixel
    /// ([`Error::ImageDamaged`]).
    pub(super) fn check(&self, file: &str, (width, height): (u32, u32)) -> Result<()> {
        if width == 0 || height == 0 {
            let reason = format!("it states a size of {width} x {height} pixels");
            return Err(Error::ImageDamaged {
                file: file.into(),
                reason,
            });
        }
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.max_pixels || width.max(height) > self.max_side {
            return Err(Error::ImageTooLarge {
                file: file.into(),
                width,
                height,
                max_megapixels: u32::try_from(self.max_pixels / 1_000_000).unwrap_or(u32::MAX),
                max_side: self.max_side,
            });
        }
        Ok(())
    }

    /// Size limit for a file in bytes: the largest picture at 16 bits and four channels, which is 8
    /// bytes per pixel, plus 64 MiB.
    pub fn file_bytes(&self) -> u64 {
        self.max_pixels
            .saturating_mul(8)
            .saturating_add(TABLES_BYTES)
    }

    /// Peak memory in bytes while a file of `file_bytes` is decoded, in addition to the file
    /// itself: the largest picture at 16 bits and four channels, 64 MiB for tables, and the
    /// decoders' copies of the file.
    pub fn most_bytes(&self, file_bytes: usize) -> u64 {
        self.file_bytes().saturating_add(2 * file_bytes as u64)
    }

    /// The allocation limits for decoders that support them (a JPEG is checked in advance:
    /// [`Limits::check_jpeg`]).
    fn for_decoder(&self) -> image::Limits {
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(self.max_side);
        limits.max_image_height = Some(self.max_side);
        limits.max_alloc = Some(self.file_bytes());
        limits
    }

    /// The allocation limit of the PNG decoder in addition to the picture: for the colour profile
    /// and texts, of which a kilobyte of the file may expand to a megabyte. A larger profile is
    /// dropped, since profiles are not applied. It is half of the memory for tables, because a
    /// growing buffer briefly exists twice.
    pub(super) fn for_png(&self) -> image::Limits {
        let mut limits = self.for_decoder();
        limits.max_alloc = Some(TABLES_BYTES / 2);
        limits
    }

    /// Refuses a JPEG ([`Error::ImageTooLarge`]) that could exceed [`Limits::most_bytes`]: with
    /// several scans it needs two bytes per pixel and channel, and three per pixel for the result.
    fn check_jpeg(&self, file: &str, jpeg: &Jpeg) -> Result<()> {
        self.check(file, jpeg.size())?;
        let bytes_a_pixel = 2 * jpeg.channels() as u64 + 3;
        let limits = Limits {
            max_pixels: self.max_pixels.min(self.file_bytes() / bytes_a_pixel),
            ..*self
        };
        limits.check(file, jpeg.size())
    }
}

impl Default for Limits {
    /// [`Limits::BROWSER`] on wasm32, else [`Limits::NATIVE`].
    fn default() -> Self {
        if cfg!(target_arch = "wasm32") {
            Limits::BROWSER
        } else {
            Limits::NATIVE
        }
    }
}

/// The picture in a file, within the default [`Limits`].
///
/// # Errors
/// [`Error::FileAccess`]; as [`decode`].
pub fn open(path: &Path) -> Result<Picture> {
    let file = path.display().to_string();
    let limits = Limits::default();
    let bytes = files::read(path, limits.file_bytes()).map_err(|error| Error::FileAccess {
        file: file.clone(),
        reason: error.to_string(),
    })?;
    decode(&file, &bytes, &limits)
}

/// Decodes a PNG, JPEG, WebP, GIF or BMP file to 8-bit RGB.
///
/// `file` is the name for messages. The size in the header is checked against `limits` before the
/// pixels are decoded. Of an animation only the first frame is decoded, which `notices` reports.
/// Grey, palette and CMYK are converted to RGB; 16-bit samples keep their upper byte, as in Pillow
/// for RGB. Colour profiles are not applied, as in the release. Transparent pixels are blended with
/// [`super::PAD_COLOUR`].
///
/// # Errors
/// [`Error::ImageFormat`] for an empty file, an unsupported format (HEIC, AVIF, TIFF, SVG, PDF and
/// others are named), or an unsupported kind of JPEG or PNG (arithmetic coding, lossless, 12 bits;
/// also named). [`Error::ImageTooLarge`]. [`Error::ImageDamaged`] for a truncated or inconsistent
/// file.
pub fn decode(file: &str, bytes: &[u8], limits: &Limits) -> Result<Picture> {
    decode_on(file, bytes, limits, PAD_COLOUR)
}

/// As [`decode`], but transparent pixels are blended with `ground` (red, green, blue), in bytes:
/// `round((v a + ground (255 - a)) / 255)`. [`WHITE`] is what the processors of Idefics3 and SmolVLM
/// do.
///
/// # Errors
/// As [`decode`].
pub fn decode_on(file: &str, bytes: &[u8], limits: &Limits, ground: [u8; 3]) -> Result<Picture> {
    let format = recognise(file, bytes, limits)?;
    let source = Cursor::new(bytes);
    let failed = |error| explain(file, format, error);
    let (animated, mut picture) = match format {
        Format::Png => {
            if sniff::is_apples_png(bytes) {
                let kind = "packed by Apple's tools for a phone";
                return Err(explain_kind(file, format, kind));
            }
            if let Some(size) = sniff::png_size(bytes) {
                limits.check(file, size)?;
            }
            let decode = || {
                let decoder = png::PngDecoder::with_limits(source, limits.for_png());
                let decoder = decoder.map_err(failed)?;
                let animated = decoder.is_apng().map_err(failed)?;
                Ok((animated, read(file, format, decoder, limits, ground)?))
            };
            decode().map_err(|error| match (&error, sniff::png_fault(bytes)) {
                (Error::ImageDamaged { .. }, Some(fault)) => explain_damage(file, format, &fault),
                _ => error,
            })?
        }
        Format::Jpeg => (false, read_jpeg(file, bytes, limits)?),
        Format::WebP => {
            if let Some(([width, height], [w, h])) = sniff::webp_contradiction(bytes) {
                let reason = format!(
                    "the WebP states a frame of {width} x {height} pixels, and the frame's data {w} x {h}"
                );
                return Err(Error::ImageDamaged {
                    file: file.into(),
                    reason,
                });
            }
            let decoder = webp::WebPDecoder::new(source).map_err(failed)?;
            (
                decoder.has_animation(),
                read(file, format, decoder, limits, ground)?,
            )
        }
        Format::Gif => {
            let frames = sniff::gif_frames(bytes);
            if !frames.any && (frames.canvas.0 == 0 || frames.canvas.1 == 0) {
                return Err(explain_damage(file, format, "it has no picture"));
            }
            limits.check(file, frames.canvas)?;
            (
                frames.animated,
                read_gif(file, bytes, &frames, limits, ground)?,
            )
        }
        Format::Bmp => (false, read_bmp(file, bytes, limits, ground)?),
    };
    if animated {
        picture
            .notices
            .push(format!("{file} is animated: the first frame is used"));
    }
    Ok(picture)
}

/// The format of a file that may have no more than `limits` allow.
///
/// # Errors
/// [`Error::ImageFormat`] for an empty file, one that is too long, and an unsupported format.
pub(super) fn recognise(file: &str, bytes: &[u8], limits: &Limits) -> Result<Format> {
    const READABLE: &str = "PNG, JPEG, WebP, GIF and BMP pictures can be read";
    let refused = |reason: String| Error::ImageFormat {
        file: file.into(),
        reason,
    };
    if bytes.len() as u64 > limits.file_bytes() {
        let most = limits.file_bytes() / 1_000_000;
        return Err(refused(format!(
            "it has more than {most} MB; no picture that can be read has"
        )));
    }
    if bytes.is_empty() {
        return Err(refused(format!("the file is empty; {READABLE}")));
    }
    sniff::format(bytes).ok_or_else(|| {
        let found = foreign(bytes).unwrap_or("no picture that is known here");
        refused(format!("this is {found}. {READABLE}"))
    })
}

/// A decoded picture as its decoder has it.
struct Samples {
    size: (u32, u32),
    kind: ColorType,
    bytes: Vec<u8>,
    orientation: Orientation,
}

/// Checks the size and decodes.
fn samples(
    file: &str,
    format: Format,
    mut decoder: impl ImageDecoder,
    limits: &Limits,
) -> Result<Samples> {
    let size = decoder.dimensions();
    limits.check(file, size)?;
    let failed = |error| explain(file, format, error);
    decoder.set_limits(limits.for_decoder()).map_err(failed)?;
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    let kind = decoder.color_type();
    let mut bytes = vec![0; usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX)];
    decoder.read_image(&mut bytes).map_err(failed)?;
    Ok(Samples {
        size,
        kind,
        bytes,
        orientation: orientation(&exif),
    })
}

/// Checks the size, decodes, converts and applies the orientation.
fn read(
    file: &str,
    format: Format,
    decoder: impl ImageDecoder,
    limits: &Limits,
    ground: [u8; 3],
) -> Result<Picture> {
    let samples = samples(file, format, decoder, limits)?;
    let (width, height) = samples.size;
    let rgb = to_rgb8(samples.bytes, samples.kind, ground);
    let image = rgb.and_then(|rgb| RgbImage::from_raw(width, height, rgb));
    let image = image.ok_or_else(|| explain_damage(file, format, "it holds too few pixels"))?;
    Ok(upright(image, samples.orientation))
}

/// The pixels of one frame of an animation, `[height, width, 4]`: red, green, blue, opacity. Its size must be
/// `size`, width and height.
///
/// # Errors
/// As [`decode`].
pub(super) fn read_layer(
    file: &str,
    format: Format,
    decoder: impl ImageDecoder,
    limits: &Limits,
    size: (u32, u32),
) -> Result<Vec<u8>> {
    let damaged = |how| explain_damage(file, format, how);
    if decoder.dimensions() != size {
        return Err(damaged(CONTRADICTS));
    }
    let samples = samples(file, format, decoder, limits)?;
    to_rgba8(samples.bytes, samples.kind).ok_or_else(|| damaged("it holds too few pixels"))
}

/// Decodes a JPEG with this crate's own decoder.
fn read_jpeg(file: &str, bytes: &[u8], limits: &Limits) -> Result<Picture> {
    let failed = |fault| explain_jpeg(file, fault);
    let jpeg = Jpeg::new(bytes).map_err(failed)?;
    limits.check_jpeg(file, &jpeg)?;
    let ((width, height), orientation) = (jpeg.size(), orientation(jpeg.exif()));
    let rgb = jpeg.decode().map_err(failed)?;
    let image = RgbImage::from_raw(width, height, rgb);
    let image = image.ok_or_else(|| failed(Fault::Damaged("it holds too few pixels".into())))?;
    Ok(upright(image, orientation))
}

/// The picture, turned as `orientation` says.
pub(super) fn upright(image: RgbImage, orientation: Orientation) -> Picture {
    let mut image = DynamicImage::ImageRgb8(image);
    image.apply_orientation(orientation);
    Picture {
        width: image.width() as usize,
        height: image.height() as usize,
        rgb: image.into_rgb8().into_raw(),
        notices: Vec::new(),
    }
}

/// The orientation in a block of EXIF; upright if there is none or it is invalid: a picture with
/// broken metadata is still usable. Some WebP writers keep JPEG's `Exif\0\0` prefix.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let exif = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms)
}

/// Decodes a BMP. In one with run-length encoding, pixels outside all runs have the first colour of
/// the table, as in Pillow; the decoder leaves them black. Each colour is therefore decoded as its
/// index first, and black is index 0.
fn read_bmp(file: &str, bytes: &[u8], limits: &Limits, ground: [u8; 3]) -> Result<Picture> {
    let format = Format::Bmp;
    let decoder = |bytes| {
        let decoder = bmp::BmpDecoder::new(Cursor::new(bytes));
        decoder.map_err(|error| explain(file, format, error))
    };
    let Some(table) = sniff::bmp_runs_table(bytes) else {
        return read(file, format, decoder(bytes)?, limits, ground);
    };
    let colours: Vec<u8> = bytes[table.clone()]
        .as_chunks()
        .0
        .iter()
        .flat_map(|&[b, g, r, _]| [r, g, b])
        .collect();
    let mut numbered = bytes.to_vec();
    for (number, colour) in numbered[table].as_chunks_mut().0.iter_mut().enumerate() {
        *colour = [number as u8, 0, 0, 0];
    }
    let mut picture = read(file, format, decoder(&numbered)?, limits, ground)?;
    for pixel in picture.rgb.as_chunks_mut().0 {
        let [_, _, number] = *pixel;
        *pixel = from_palette(&colours, number);
    }
    Ok(picture)
}

/// The first frame of a GIF, whose size has been checked.
fn read_gif(
    file: &str,
    bytes: &[u8],
    frames: &sniff::GifFrames,
    limits: &Limits,
    ground: [u8; 3],
) -> Result<Picture> {
    let format = Format::Gif;
    let rgb = gif::first_frame(bytes, frames, limits.file_bytes(), ground);
    let rgb = rgb.map_err(|error| explain_gif(file, &error))?;
    let image = RgbImage::from_raw(frames.canvas.0, frames.canvas.1, rgb);
    let image = image.ok_or_else(|| explain_damage(file, format, "it holds too few pixels"))?;
    Ok(upright(image, Orientation::NoTransforms))
}
