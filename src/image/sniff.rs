//! What a file says of itself, read from its bytes alone: the format, the size, whether there is a
//! second frame, whether the end is there.
//!
//! In: untrusted bytes. Out: facts. It decodes nothing and allocates nothing, so it may run before
//! any limit is checked.

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
    /// The name a person knows it by.
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

/// The readable format that the first bytes announce. The file's name is not asked: it may lie.
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

/// `BM` alone may begin any English text: the size of the second header must be a known one too.
fn is_bmp_header(bytes: &[u8]) -> bool {
    let known = [12, 16, 40, 52, 56, 64, 108, 124];
    bytes
        .get(14..18)
        .is_some_and(|b| known.contains(&u32::from_le_bytes([b[0], b[1], b[2], b[3]])))
}

/// What the file is instead, with what to do about it. `None`: not recognised.
pub(super) fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(1024)];
    if head.get(4..8) == Some(b"ftyp") {
        return Some(match head.get(8..12) {
            Some(b"avif" | b"avis") => "an AVIF picture; convert it to PNG or JPEG first",
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1") => {
                "a HEIC picture, as iPhones take them; export it as JPEG first"
            }
            _ => "a video; take a still picture from it first",
        });
    }
    if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") {
        return Some("a TIFF or camera raw picture; convert it to PNG or JPEG first");
    }
    if head.starts_with(b"%PDF-") {
        return Some("a PDF document; save the page as PNG first");
    }
    if head.starts_with(b"8BPS") {
        return Some("a Photoshop document; export it as PNG first");
    }
    if head.starts_with(&[0xFF, 0x0A]) || head.starts_with(b"\0\0\0\x0cJXL ") {
        return Some("a JPEG XL picture; convert it to PNG or JPEG first");
    }
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    if text.contains("<svg") {
        return Some("an SVG drawing; export it as PNG first");
    }
    if text.contains("<html") || text.contains("<!doctype html") {
        return Some("a web page, not a picture; the address may need a login");
    }
    None
}

/// `(width, height)` in pixels where the header states it at a fixed place (PNG, GIF).
///
/// The decoders read further before they tell the size; a bomb is refused on its first 24 bytes.
pub(super) fn declared_size(format: Format, bytes: &[u8]) -> Option<(u32, u32)> {
    match format {
        Format::Png if bytes.get(12..16) == Some(b"IHDR") => {
            let b = bytes.get(16..24)?;
            let width = u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
            Some((width, u32::from_be_bytes([b[4], b[5], b[6], b[7]])))
        }
        Format::Gif => {
            let b = bytes.get(6..10)?;
            let width = u16::from_le_bytes([b[0], b[1]]);
            Some((width.into(), u16::from_le_bytes([b[2], b[3]]).into()))
        }
        _ => None,
    }
}

/// What is known of a GIF's pictures without decompressing one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct GifFrames {
    /// `(width, height)` of the first in pixels, which may be larger than the file's own size.
    pub first: Option<(u32, u32)>,
    /// Whether there is a second.
    pub animated: bool,
}

/// Walks a GIF's blocks, up to its second picture.
pub(super) fn gif_frames(bytes: &[u8]) -> GifFrames {
    /// The bytes of a colour table, from the flags that announce it.
    fn table(flags: u8) -> usize {
        if flags & 0x80 == 0 {
            0
        } else {
            3 << ((flags & 7) + 1)
        }
    }
    /// Where the chain of length-prefixed pieces that begins at `at` ends.
    fn after_pieces(bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            match *bytes.get(at)? {
                0 => return Some(at + 1),
                length => at += 1 + usize::from(length),
            }
        }
    }
    let mut frames = GifFrames::default();
    let mut walk = || -> Option<()> {
        let mut at = 13 + table(*bytes.get(10)?);
        loop {
            let end = match *bytes.get(at)? {
                0x21 => after_pieces(bytes, at + 2)?, // an extension
                0x2C if frames.first.is_some() => {
                    frames.animated = true;
                    return None;
                }
                0x2C => {
                    let b = bytes.get(at + 5..at + 10)?;
                    let side = |low, high| u32::from(u16::from_le_bytes([low, high]));
                    frames.first = Some((side(b[0], b[1]), side(b[2], b[3])));
                    // Descriptor (10), colour table, one byte of code size, then the data.
                    after_pieces(bytes, at + 10 + table(b[4]) + 1)?
                }
                _ => return None, // the trailer, or nonsense
            };
            at = end;
        }
    };
    walk();
    frames
}

/// `[width, height]` in pixels of what a WebP states for a frame, and of what the frame's own data states, where the two
/// differ. The decoder makes room for the second, and panics over some, before it compares them.
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
                    // What follows the transparency is decoded whatever it is called.
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

/// The chunks of a RIFF file, or of a chunk: names and data. The last may break off.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_at_checked(8)?;
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        // An odd one has a byte more behind it.
        let padded = length.saturating_add(length & 1) as usize;
        let data = &rest[..rest.len().min(length as usize)];
        self.0 = rest.get(padded..).unwrap_or_default();
        Some((&head[..4], data))
    }
}

/// What a JPEG's header states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct JpegFrame {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// 1 for grey, 3 for colour, 4 for what is to be printed.
    pub channels: u8,
}

/// The frame that a JPEG's header states before the picture's data; of several, the largest of each number.
pub(super) fn jpeg_frame(bytes: &[u8]) -> Option<JpegFrame> {
    let mut found: Option<JpegFrame> = None;
    let mut walk = || -> Option<()> {
        let mut at = 2; // behind the start marker
        loop {
            at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)? + 1;
            let marker = *bytes.get(at)?;
            match marker {
                0xDA => return None, // the data
                0xFF => continue,    // a fill byte: look at it again
                0x00 | 0x01 | 0xD0..=0xD9 => {
                    at += 1; // no length follows
                    continue;
                }
                0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                    let b = bytes.get(at + 4..at + 9)?;
                    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                    let largest = found.unwrap_or_default();
                    found = Some(JpegFrame {
                        height: largest.height.max(side(b[0], b[1])),
                        width: largest.width.max(side(b[2], b[3])),
                        channels: largest.channels.max(b[4]),
                    });
                }
                _ => {}
            }
            let length = bytes.get(at + 1..at + 3)?;
            at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
    };
    walk();
    found
}

/// Whether a JPEG has its end marker. The decoder fills what is missing with grey and says
/// nothing; half a picture must not pass for a whole one.
pub(super) fn jpeg_has_end(bytes: &[u8]) -> bool {
    let walk = || -> Option<bool> {
        let mut at = 2; // behind the start marker
        loop {
            // To the next marker: 0xFF, then neither a stuffed zero, a fill byte nor a restart.
            at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)? + 1;
            match *bytes.get(at)? {
                0xD9 => return Some(true),
                0xFF => {}                            // a fill byte: look at it again
                0x00 | 0x01 | 0xD0..=0xD8 => at += 1, // no length follows
                _ => {
                    // A segment with its length; markers within it (thumbnails) do not count.
                    let length = bytes.get(at + 1..at + 3)?;
                    at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
                }
            }
        }
    };
    walk().unwrap_or(false)
}
