//! The layers of an animated PNG (APNG). Each is a PNG of its own that lacks a beginning, so it is given
//! one and decoded as every other PNG.

use std::io::Cursor;
use std::ops::Range;

use image::codecs::png::PngDecoder;

use super::super::Limits;
use super::super::decode::read_layer;
use super::super::explain::{BREAKS_OFF, CONTRADICTS, explain, explain_damage};
use super::super::sniff::Format;
use super::layers::{Layers, Outline};
use super::screen::{After, Blend, Layer, Place};
use crate::error::Result;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Length, name and checksum of a chunk.
const CHUNK_BYTES: usize = 12;
/// Bytes of a sequence number.
const NUMBER_BYTES: usize = 4;

/// The chunks that are read here.
const USED: [&[u8]; 7] = [
    b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"IDAT", b"fdAT",
];

/// A frame of the file.
struct Frame {
    place: Place,
    blend: Blend,
    after: After,
    /// From its first chunk of data to the end of its last.
    data: Range<usize>,
}

/// What an animated PNG consists of.
pub(super) struct Apng<'a> {
    file: &'a str,
    bytes: &'a [u8],
    limits: Limits,
    /// What begins a PNG of the canvas: its 13 bytes.
    header: [u8; 13],
    /// What every layer needs: colour table and transparency, whole chunks.
    shared: Vec<Range<usize>>,
    /// Metadata of a camera, if there are any.
    pub exif: &'a [u8],
    frames: std::vec::IntoIter<Frame>,
}

/// A chunk: its name, where it is, and where its data are.
struct Chunk<'a> {
    name: &'a [u8],
    whole: Range<usize>,
    data: &'a [u8],
}

impl Chunk<'_> {
    /// Whether its checksum is right.
    fn is_intact(&self, bytes: &[u8]) -> bool {
        let stated = self
            .whole
            .end
            .checked_sub(4)
            .and_then(|at| u32_at(bytes, at));
        stated == Some(sum(self.name, self.data))
    }
}

/// The checksum of a chunk.
fn sum(name: &[u8], data: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(name);
    sum.update(data);
    sum.finalize()
}

/// The chunk that begins at `at`; none if it breaks off.
fn chunk(bytes: &[u8], at: usize) -> Option<Chunk<'_>> {
    let head = bytes.get(at..at.checked_add(8)?)?;
    let length = u32_at(head, 0)? as usize;
    let end = at.checked_add(CHUNK_BYTES)?.checked_add(length)?;
    let whole = bytes.get(at..end)?;
    Some(Chunk {
        name: &whole[4..8],
        whole: at..end,
        data: &whole[8..8 + length],
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (number, _) = bytes.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let (number, _) = bytes.get(at..)?.split_first_chunk::<2>()?;
    Some(u16::from_be_bytes(*number))
}

/// A frame control chunk: the frame without its data, and its delay in milliseconds.
fn control(data: &[u8], (canvas_width, canvas_height): (u32, u32)) -> Option<(Frame, u32)> {
    let [width, height] = [u32_at(data, 4)?, u32_at(data, 8)?];
    let [left, top] = [u32_at(data, 12)?, u32_at(data, 16)?];
    let [part, whole] = [u16_at(data, 20)?, u16_at(data, 22)?].map(u32::from);
    let fits = |from: u32, side: u32, canvas: u32| {
        side > 0 && from.checked_add(side).is_some_and(|end| end <= canvas)
    };
    if !fits(left, width, canvas_width) || !fits(top, height, canvas_height) {
        return None;
    }
    let frame = Frame {
        place: Place {
            left: left as usize,
            top: top as usize,
            width: width as usize,
            height: height as usize,
        },
        after: match *data.get(24)? {
            0 => After::Keep,
            1 => After::Clear,
            2 => After::Undo,
            _ => return None,
        },
        blend: match *data.get(25)? {
            0 => Blend::Replace,
            1 => Blend::Over,
            _ => return None,
        },
        data: 0..0,
    };
    let whole = if whole == 0 { 100 } else { whole };
    Some((frame, 1000 * part / whole))
}

impl<'a> Apng<'a> {
    /// Reads a PNG's chunks, and decodes nothing; none of one that is not animated. Frames beyond the number that it
    /// states are not looked at.
    ///
    /// # Errors
    /// [`crate::Error::ImageDamaged`]; [`crate::Error::ImageFormat`] for too many frames.
    pub(super) fn new(
        file: &'a str,
        bytes: &'a [u8],
        limits: &Limits,
    ) -> Result<Option<(Outline, Self)>> {
        let damaged = |how: &str| explain_damage(file, Format::Png, how);
        let broken = || damaged(BREAKS_OFF);
        let contradicts = || damaged(CONTRADICTS);
        let first = chunk(bytes, SIGNATURE.len()).ok_or_else(broken)?;
        let header = match (first.name, first.data.first_chunk::<13>()) {
            (b"IHDR", Some(header)) => *header,
            _ => return Err(contradicts()),
        };
        let side = |at| u32_at(&header, at).unwrap_or(0);
        let mut outline = Outline::new((side(0), side(4)));
        let (mut stated, mut number) = (None, 0);
        let (mut shared, mut frames) = (Vec::new(), Vec::<Frame>::new());
        let mut exif: &[u8] = &[];
        let mut at = SIGNATURE.len();
        // Whether data are of the last frame.
        let mut is_open = false;
        loop {
            let chunk = chunk(bytes, at).ok_or_else(broken)?;
            at = chunk.whole.end;
            if USED.contains(&chunk.name) && !chunk.is_intact(bytes) {
                let name = String::from_utf8_lossy(chunk.name);
                return Err(damaged(&format!(
                    "the checksum of its part {name} is wrong"
                )));
            }
            let is_numbered = matches!(chunk.name, b"fcTL" | b"fdAT");
            if is_numbered && stated.is_some() {
                if u32_at(chunk.data, 0) != Some(number) {
                    return Err(contradicts());
                }
                number += 1;
            }
            match (chunk.name, stated) {
                (b"acTL", None) => stated = Some(u32_at(chunk.data, 0).ok_or_else(contradicts)?),
                (b"PLTE" | b"tRNS", _) if shared.len() < 2 => shared.push(chunk.whole),
                (b"eXIf", _) => exif = chunk.data,
                (b"fcTL", Some(stated)) if frames.len() >= stated as usize => is_open = false,
                (b"fcTL", Some(_)) => {
                    let control = control(chunk.data, outline.canvas);
                    let (frame, delay_ms) = control.ok_or_else(contradicts)?;
                    outline.push(file, frame.place.pixels(), delay_ms)?;
                    frames.push(frame);
                    is_open = true;
                }
                // Data in front of the first frame control are a picture for those who show no animation.
                (b"IDAT" | b"fdAT", Some(_)) if is_open => {
                    if let Some(frame) = frames.last_mut() {
                        frame.data = match frame.data.is_empty() {
                            true => chunk.whole,
                            false => frame.data.start..chunk.whole.end,
                        };
                    }
                }
                (b"IEND", _) => break,
                _ => {}
            }
        }
        let Some(stated) = stated else {
            return Ok(None);
        };
        if frames.len() < stated as usize || frames.iter().any(|frame| frame.data.is_empty()) {
            let found = frames.len();
            return Err(damaged(&format!(
                "it states {stated} frames, and has {found} or lacks data of one"
            )));
        }
        let apng = Apng {
            file,
            bytes,
            limits: *limits,
            header,
            shared,
            exif,
            frames: frames.into_iter(),
        };
        Ok(Some((outline, apng)))
    }

    /// The frame as a PNG.
    fn still(&self, frame: &Frame) -> Vec<u8> {
        let mut still = SIGNATURE.to_vec();
        let mut header = self.header;
        for (place, side) in [frame.place.width, frame.place.height].iter().enumerate() {
            header[4 * place..][..4].copy_from_slice(&(*side as u32).to_be_bytes());
        }
        add(&mut still, *b"IHDR", &header);
        for chunk in &self.shared {
            still.extend(&self.bytes[chunk.clone()]);
        }
        let mut data = Vec::new();
        let mut at = frame.data.start;
        while let Some(chunk) = chunk(self.bytes, at).filter(|_| at < frame.data.end) {
            at = chunk.whole.end;
            match chunk.name {
                b"IDAT" => data.extend(chunk.data),
                b"fdAT" => data.extend(chunk.data.get(NUMBER_BYTES..).unwrap_or_default()),
                _ => {}
            }
        }
        add(&mut still, *b"IDAT", &data);
        add(&mut still, *b"IEND", &[]);
        still
    }
}

/// Adds a chunk, whose data are a part of a file and so shorter than 4 GiB.
fn add(png: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    png.extend(name);
    png.extend(data);
    png.extend(sum(&name, data).to_be_bytes());
}

impl Layers for Apng<'_> {
    fn next(&mut self) -> Result<Layer> {
        let (file, format) = (self.file, Format::Png);
        let frame = self.frames.next();
        let frame = frame.ok_or_else(|| explain_damage(file, format, BREAKS_OFF))?;
        let still = self.still(&frame);
        let decoder = PngDecoder::with_limits(Cursor::new(&still), self.limits.for_png());
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
