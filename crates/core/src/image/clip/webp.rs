//! The layers of an animated WebP. Each is a WebP of its own that lacks a beginning, so it is given one
//! and decoded as every other WebP. (Of a whole animation image-webp 0.2.4 clears the wrong pixels when a
//! layer that is no larger than its picture is disposed of.)

use std::io::Cursor;

use image::codecs::webp::WebPDecoder;

use super::super::Limits;
use super::super::decode::read_layer;
use super::super::explain::{BREAKS_OFF, CONTRADICTS, explain, explain_damage};
use super::super::sniff::{Format, webp_contradiction};
use super::layers::{Layers, Outline};
use super::screen::{After, Blend, Layer, Place};
use crate::error::Result;

/// `RIFF`, a length, `WEBP`.
const FILE_HEAD_BYTES: usize = 12;
/// Name and length of a chunk.
const CHUNK_HEAD_BYTES: usize = 8;
/// What a frame begins with: its place, its delay, flags.
const FRAME_HEAD_BYTES: usize = 16;
/// Flags of a file: an animation; transparency.
const IS_ANIMATED: u8 = 0x02;
const HAS_ALPHA: u8 = 0x10;

/// A frame of the file.
struct Frame<'a> {
    place: Place,
    blend: Blend,
    after: After,
    /// Its chunks.
    data: &'a [u8],
}

/// What an animated WebP consists of.
pub(super) struct WebPLayers<'a> {
    file: &'a str,
    limits: Limits,
    /// Metadata of a camera, if there are any.
    pub exif: &'a [u8],
    frames: std::vec::IntoIter<Frame<'a>>,
}

/// A number of 24 bits.
fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    let b = bytes.get(at..at.checked_add(3)?)?;
    Some(u32::from_le_bytes([b[0], b[1], b[2], 0]))
}

/// The first chunk: its name, its data, and what is behind it; none if it breaks off.
fn chunk(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, behind) = bytes.split_at_checked(CHUNK_HEAD_BYTES)?;
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let (data, behind) = behind.split_at_checked(length)?;
    // Chunks of odd length are followed by a byte of padding, which may be missing at the end.
    let behind = behind.get(length % 2..).unwrap_or_default();
    Some((&head[..4], data, behind))
}

/// A frame and its delay in milliseconds; none if it does not lie on the canvas.
fn frame(data: &[u8], (canvas_width, canvas_height): (u32, u32)) -> Option<(Frame<'_>, u32)> {
    let [left, top] = [2 * u24_at(data, 0)?, 2 * u24_at(data, 3)?];
    let [width, height] = [u24_at(data, 6)? + 1, u24_at(data, 9)? + 1];
    if left + width > canvas_width || top + height > canvas_height {
        return None;
    }
    let flags = *data.get(15)?;
    let frame = Frame {
        place: Place {
            left: left as usize,
            top: top as usize,
            width: width as usize,
            height: height as usize,
        },
        blend: match flags & 2 {
            0 => Blend::Over,
            _ => Blend::Replace,
        },
        after: match flags & 1 {
            0 => After::Keep,
            _ => After::Clear,
        },
        data: &data[FRAME_HEAD_BYTES..],
    };
    Some((frame, u24_at(data, 12)?))
}

impl<'a> WebPLayers<'a> {
    /// Reads a WebP's chunks, and decodes nothing; none of one that is not animated.
    ///
    /// # Errors
    /// [`crate::Error::ImageDamaged`]; [`crate::Error::ImageFormat`] for too many frames.
    pub(super) fn new(
        file: &'a str,
        bytes: &'a [u8],
        limits: &Limits,
    ) -> Result<Option<(Outline, Self)>> {
        let damaged = |how| explain_damage(file, Format::WebP, how);
        let broken = || damaged(BREAKS_OFF);
        let contradicts = || damaged(CONTRADICTS);
        let (head, mut rest) = bytes.split_at_checked(FILE_HEAD_BYTES).ok_or_else(broken)?;
        let stated = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        // The name WEBP is counted. What is behind the file is not looked at; the last padding may be missing.
        let stated = stated.saturating_sub(4);
        if rest.len() + 1 < stated {
            return Err(broken());
        }
        rest = &rest[..stated.min(rest.len())];
        let (name, extended, behind) = chunk(rest).ok_or_else(broken)?;
        let flags = extended.first().copied().unwrap_or(0);
        if name != b"VP8X" || flags & IS_ANIMATED == 0 {
            return Ok(None);
        }
        let side = |at| u24_at(extended, at).map(|side| side + 1);
        let canvas = side(4).zip(side(7)).ok_or_else(contradicts)?;
        let mut outline = Outline::new(canvas);
        let (mut frames, mut exif, mut rest) = (Vec::new(), &[][..], behind);
        while !rest.is_empty() {
            let (name, data, behind) = chunk(rest).ok_or_else(broken)?;
            rest = behind;
            match name {
                b"ANMF" => {
                    let (frame, delay_ms) = frame(data, canvas).ok_or_else(contradicts)?;
                    outline.push(file, frame.place.pixels(), delay_ms)?;
                    frames.push(frame);
                }
                b"EXIF" => exif = data,
                _ => {}
            }
        }
        if frames.is_empty() {
            return Err(damaged("it has no frame"));
        }
        let layers = WebPLayers {
            file,
            limits: *limits,
            exif,
            frames: frames.into_iter(),
        };
        Ok(Some((outline, layers)))
    }
}

impl Frame<'_> {
    /// The frame as a WebP; none if it has no picture.
    fn still(&self) -> Option<Vec<u8>> {
        let mut rest = self.data;
        let mut alpha = None;
        let (name, data) = loop {
            let (name, data, behind) = chunk(rest)?;
            match name {
                b"ALPH" if alpha.is_none() => alpha = Some(data),
                b"VP8 " | b"VP8L" => break (name, data),
                _ => {}
            }
            rest = behind;
        };
        let mut still = b"RIFF\0\0\0\0WEBP".to_vec();
        // The data of VP8L have their own transparency.
        if let Some(alpha) = alpha.filter(|_| name == b"VP8 ") {
            let mut extended = vec![HAS_ALPHA, 0, 0, 0];
            for side in [self.place.width, self.place.height] {
                extended.extend(&(side as u32 - 1).to_le_bytes()[..3]);
            }
            add(&mut still, b"VP8X", &extended);
            add(&mut still, b"ALPH", alpha);
        }
        add(&mut still, name, data);
        let length = still.len() as u32 - 8;
        still[4..8].copy_from_slice(&length.to_le_bytes());
        Some(still)
    }
}

/// Adds a chunk, whose data are a part of a file and so shorter than 4 GiB.
fn add(webp: &mut Vec<u8>, name: &[u8], data: &[u8]) {
    webp.extend(name);
    webp.extend((data.len() as u32).to_le_bytes());
    webp.extend(data);
    if data.len() % 2 == 1 {
        webp.push(0);
    }
}

impl Layers for WebPLayers<'_> {
    fn next(&mut self) -> Result<Layer> {
        let (file, format) = (self.file, Format::WebP);
        let damaged = |how| explain_damage(file, format, how);
        let frame = self.frames.next().ok_or_else(|| damaged(BREAKS_OFF))?;
        let still = frame.still();
        // The decoder would panic for some of the contradictions.
        let still = still.filter(|still| webp_contradiction(still).is_none());
        let still = still.ok_or_else(|| damaged(CONTRADICTS))?;
        let decoder = WebPDecoder::new(Cursor::new(&still));
        let decoder = decoder.map_err(|error| explain(file, format, error))?;
        let size = (frame.place.width as u32, frame.place.height as u32);
        Ok(Layer {
            place: frame.place,
            rgba: read_layer(file, format, decoder, &self.limits, size)?,
            blend: frame.blend,
            after: frame.after,
            around: [0; 4],
        })
    }
}
