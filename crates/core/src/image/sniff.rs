//! Facts read from a file's bytes alone: the format, the size, whether there is a second frame,
//! whether the file is complete.
//!
//! In: untrusted bytes. Out: facts. This module decodes nothing and allocates nothing, so it may
//! run before any limit is checked.

use std::ops::Range;

/// The formats that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    WebP,
    Gif,
    Bmp,
}

impl Format {
    /// Its common name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Format::Png => "PNG",
            Format::Jpeg => "JPEG",
            Format::WebP => "WebP",
            Format::Gif => "GIF",
            Format::Bmp => "BMP",
        }
    }
}

/// The supported format that the first bytes indicate. The file's name is ignored, since it may be
/// wrong.
pub(super) fn format(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(Format::WebP)
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        Some(Format::Gif)
    } else if bytes.starts_with(b"BM") && is_bmp_header(bytes) {
        Some(Format::Bmp)
    } else {
        None
    }
}

/// `BM` alone may begin an ordinary text: the second header must also have a known size.
fn is_bmp_header(bytes: &[u8]) -> bool {
    let known = [12, 16, 40, 52, 56, 64, 108, 124];
    bytes
        .get(14..18)
        .is_some_and(|b| known.contains(&u32::from_le_bytes([b[0], b[1], b[2], b[3]])))
}

/// `(width, height)` in pixels from a PNG's header.
///
/// The decoder reads further before it reports the size; this way an oversized picture is refused
/// after 24 bytes.
pub(super) fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    if bytes.get(12..16) != Some(b"IHDR") {
        return None;
    }
    let b = bytes.get(16..24)?;
    let width = u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
    Some((width, u32::from_be_bytes([b[4], b[5], b[6], b[7]])))
}

/// What is wrong with a PNG that its decoder has refused, if it is a common fault.
pub(super) fn png_fault(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (head, behind) = rest.split_at_checked(8)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let name = &head[4..];
        let (data, behind) = behind.split_at_checked(length)?;
        let (sum, behind) = behind.split_first_chunk::<4>()?;
        let mut found = crc32fast::Hasher::new();
        found.update(name);
        found.update(data);
        // Chunks whose names begin with a lower-case letter are optional and may be skipped.
        if found.finalize() != u32::from_be_bytes(*sum) && name[0].is_ascii_uppercase() {
            let name = String::from_utf8_lossy(name);
            let is_name = name.bytes().all(|b| b.is_ascii_alphabetic());
            let part = if is_name {
                format!("its part {name}")
            } else {
                "a part of it".into()
            };
            return Some(format!("the checksum of {part} is wrong"));
        }
        rest = behind;
    }
}

/// Whether a PNG has the compression of Apple's tools, which only Apple's programs read.
pub(super) fn is_apples_png(bytes: &[u8]) -> bool {
    bytes.get(12..16) == Some(b"CgBI")
}

/// Where the colour table of a run-length encoded BMP is, four bytes per colour; `None` for other
/// BMPs.
pub(super) fn bmp_runs_table(bytes: &[u8]) -> Option<Range<usize>> {
    let number = |at: usize| {
        let b = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])).ok()
    };
    let most = match number(30)? {
        _ if number(14)? < 40 => return None,
        1 => 256,
        2 => 16,
        _ => return None,
    };
    let used = match number(46)? {
        0 => most,
        used => used.min(most),
    };
    let from = number(14)?.checked_add(14)?;
    let to = from.checked_add(4 * used)?;
    (to <= bytes.len()).then_some(from..to)
}

/// Facts about a GIF's frames, found without decompressing any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GifFrames {
    /// `(width, height)` in pixels of the canvas: the logical screen, enlarged to contain the first
    /// frame.
    pub canvas: (u32, u32),
    /// Whether there is a frame.
    pub any: bool,
    /// Whether the first frame has a colour table, its own or the global one.
    pub has_table: bool,
    /// Whether there is a second frame.
    pub animated: bool,
}

/// The size of a GIF's colour table in bytes, from its flags.
pub(super) fn gif_table(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 7) + 1)
    }
}

/// The end of a GIF's chain of length-prefixed sub-blocks that begins at `at`; `None` if it breaks
/// off.
pub(super) fn gif_after_pieces(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length => at += 1 + usize::from(length),
        }
    }
}

/// Walks a GIF's blocks, up to its second frame.
pub(super) fn gif_frames(bytes: &[u8]) -> GifFrames {
    let mut frames = GifFrames::default();
    let side = |b: &[u8]| u32::from(u16::from_le_bytes([b[0], b[1]]));
    let mut walk = || -> Option<()> {
        let screen = bytes.get(6..10)?;
        frames.canvas = (side(screen), side(&screen[2..]));
        let flags = *bytes.get(10)?;
        frames.has_table = flags & 0x80 != 0;
        let mut at = 13 + gif_table(flags);
        loop {
            let end = match *bytes.get(at)? {
                0x21 => gif_after_pieces(bytes, at + 2)?, // an extension
                0x2C if frames.any => {
                    frames.animated = true;
                    return None;
                }
                0x2C => {
                    let b = bytes.get(at + 1..at + 10)?;
                    let (left, top) = (side(b), side(&b[2..]));
                    let (width, height) = frames.canvas;
                    frames.canvas = (
                        width.max(left + side(&b[4..])),
                        height.max(top + side(&b[6..])),
                    );
                    frames.any = true;
                    frames.has_table |= b[8] & 0x80 != 0;
                    // Descriptor (10), colour table, one byte of code size, then the data.
                    gif_after_pieces(bytes, at + 10 + gif_table(b[8]) + 1)?
                }
                _ => return None, // the trailer, or invalid data
            };
            at = end;
        }
    };
    walk();
    frames
}

/// `[width, height]` in pixels from a WebP's frame header and from the frame's own data, if the two
/// differ. The decoder allocates by the second, and panics for some, before it compares them.
pub(super) fn webp_contradiction(bytes: &[u8]) -> Option<([u32; 2], [u32; 2])> {
    let number = |b: &[u8], at: usize| {
        let b = b.get(at..at + 3)?;
        Some(u32::from_le_bytes([b[0], b[1], b[2], 0]))
    };
    // The size in the data of a lossy frame.
    let lossy = |data: &[u8]| {
        let side = |at| {
            Some(u32::from(
                u16::from_le_bytes([*data.get(at)?, *data.get(at + 1)?]) & 0x3FFF,
            ))
        };
        (data.get(3..6)? == [0x9D, 0x01, 0x2A]).then_some([side(6)?, side(8)?])
    };
    let differs = |stated: [u32; 2], data: &[u8]| {
        let found = lossy(data)?;
        (found != stated).then_some((stated, found))
    };
    let mut canvas = None;
    for (name, data) in Chunks(bytes.get(12..)?) {
        match (name, canvas) {
            (b"VP8X", None) => canvas = Some([number(data, 4)? + 1, number(data, 7)? + 1]),
            (b"VP8 ", Some(canvas)) => {
                if let Some(found) = differs(canvas, data) {
                    return Some(found);
                }
            }
            (b"ANMF", Some(_)) => {
                let frame = [number(data, 6)? + 1, number(data, 9)? + 1];
                let mut follows_alpha = false;
                for (name, data) in Chunks(data.get(16..)?) {
                    // The chunk after the transparency is decoded whatever its name is.
                    let is_lossy = name == b"VP8 " || follows_alpha;
                    if let Some(found) = differs(frame, data).filter(|_| is_lossy) {
                        return Some(found);
                    }
                    follows_alpha = name == b"ALPH";
                }
            }
            _ => {}
        }
    }
    None
}

/// The chunks of a RIFF file or of a chunk: names and data. The last may be truncated.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        // Chunks of odd length are followed by a padding byte.
        let padded = length.saturating_add(length & 1) as usize;
        let data = &rest[..rest.len().min(length as usize)];
        self.0 = rest.get(padded..).unwrap_or_default();
        Some((&head[..4], data))
    }
}
