//! The layers of an animated GIF.

use ::gif::DisposalMethod;

use super::super::explain::{BREAKS_OFF, CONTRADICTS, explain_damage, explain_gif};
use super::super::sniff::{Format, GifFrames, gif_after_pieces, gif_frames, gif_table};
use super::super::{Limits, gif::Frames};
use super::layers::{Layers, Outline};
use super::screen::{After, Blend, Layer, Place};
use crate::error::Result;

/// Bytes of a frame's descriptor, with the mark in front of it.
const DESCRIPTOR_BYTES: usize = 10;

/// What is known of a GIF before its frames are decompressed; none if it has no frame. Trailing bytes are not looked at,
/// and the mark at the end may be missing.
///
/// # Errors
/// [`crate::Error::ImageDamaged`] for a file that breaks off within a block; [`crate::Error::ImageTooLarge`] for a frame
/// that is larger than a picture may be, wherever it lies; [`crate::Error::ImageFormat`] for too many frames.
pub(super) fn outline(file: &str, bytes: &[u8], limits: &Limits) -> Result<Option<Outline>> {
    let frames = gif_frames(bytes);
    let broken = || explain_damage(file, Format::Gif, BREAKS_OFF);
    let mut outline = Outline::new(frames.canvas);
    let flags = bytes.get(10).ok_or_else(broken)?;
    let mut at = 13 + gif_table(*flags);
    let mut delay_ms = 0;
    let side = |b: &[u8]| u32::from(u16::from_le_bytes([b[0], b[1]]));
    while let Some(&mark) = bytes.get(at) {
        at = match mark {
            0x21 => {
                // A graphic control extension: its label, its length, flags, and the delay in hundredths of a second.
                if let Some(&[0xF9, 4, _, low, high]) = bytes.get(at + 1..at + 6) {
                    delay_ms = 10 * u32::from(u16::from_le_bytes([low, high]));
                }
                gif_after_pieces(bytes, at + 2).ok_or_else(broken)?
            }
            0x2C => {
                let b = bytes
                    .get(at + 1..at + DESCRIPTOR_BYTES)
                    .ok_or_else(broken)?;
                let (width, height) = (side(&b[4..]), side(&b[6..]));
                let pixels = u64::from(width) * u64::from(height);
                // Nothing is seen of an empty one.
                if pixels > 0 {
                    limits.check(file, (width, height))?;
                }
                outline.push(file, pixels, std::mem::take(&mut delay_ms))?;
                // Behind the descriptor: its colour table, a byte of code size, the data.
                let data = at + DESCRIPTOR_BYTES + gif_table(b[8]) + 1;
                gif_after_pieces(bytes, data).ok_or_else(broken)?
            }
            0x3B => break,
            _ => return Err(explain_damage(file, Format::Gif, CONTRADICTS)),
        };
    }
    Ok((outline.frames() > 0).then_some(outline))
}

/// The layers of a GIF.
pub(super) struct GifLayers<'a> {
    file: &'a str,
    frames: Frames<'a>,
}

impl<'a> GifLayers<'a> {
    /// Of a file whose canvas has been checked.
    ///
    /// # Errors
    /// [`crate::Error::ImageDamaged`].
    pub(super) fn new(file: &'a str, bytes: &'a [u8], limits: &Limits) -> Result<Self> {
        let GifFrames { has_table, .. } = gif_frames(bytes);
        let frames = Frames::new(bytes, has_table, limits.file_bytes());
        let frames = frames.map_err(|error| explain_gif(file, &error))?;
        Ok(GifLayers { file, frames })
    }
}

impl Layers for GifLayers<'_> {
    fn next(&mut self) -> Result<Layer> {
        let indexed = self.frames.next();
        let indexed = indexed.map_err(|error| explain_gif(self.file, &error))?;
        let frame = indexed.frame;
        let pixel = |colour: Option<[u8; 3]>| match colour {
            Some([r, g, b]) => [r, g, b, 255],
            None => [0; 4],
        };
        let mut table = [[0; 4]; 256];
        for (index, entry) in (0..=255).zip(&mut table) {
            *entry = pixel(indexed.colour(index));
        }
        let indices = frame.buffer.iter();
        let rgba: Vec<[u8; 4]> = indices.map(|&index| table[usize::from(index)]).collect();
        Ok(Layer {
            place: Place {
                left: frame.left.into(),
                top: frame.top.into(),
                width: frame.width.into(),
                height: frame.height.into(),
            },
            rgba: rgba.into_flattened(),
            blend: Blend::Over,
            after: match frame.dispose {
                DisposalMethod::Any | DisposalMethod::Keep => After::Keep,
                DisposalMethod::Background => After::Clear,
                DisposalMethod::Previous => After::Undo,
            },
            around: pixel(indexed.outside()),
        })
    }
}
