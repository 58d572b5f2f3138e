//! JPEG as decoded by libjpeg: bit for bit the pixels of Pillow, which the released program uses.
//!
//! In: an untrusted file. Out: RGB, or a [`Fault`]. Supported are baseline, extended and
//! progressive files in 8 bits with Huffman codes, in grey, RGB, YCbCr, CMYK or YCCK, with any
//! sampling and order of scans that libjpeg reads. The Rust decoders that were compared with
//! libjpeg silently give wrong pixels for many of these; ARCHITECTURE.md lists which.

mod colours;
mod fault;
mod header;
mod huffman;
mod idct;
mod output;
mod scan;

use colours::{Colours, colours};
pub(super) use fault::Fault;
use fault::{damaged, unread};
use header::{Frame, Tables, segment};
use output::Output;
use scan::{Coefficients, Reading};

/// Most blocks that all scans together may cover: about a second of work. For 64 megapixels in
/// three channels that is 33 times the picture, whereas encoders write 10.
const MOST_VISITS: u64 = 100_000_000;

/// A JPEG that is parsed up to its first scan.
pub(super) struct Jpeg<'a> {
    bytes: &'a [u8],
    frame: Frame,
    tables: Tables,
    colours: Colours,
    exif: Option<&'a [u8]>,
    /// The first scan's header, and the position of its data.
    first_scan: &'a [u8],
    at: usize,
}

impl<'a> Jpeg<'a> {
    /// Parses the segments before the first scan.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut frame = None;
        let mut tables = Tables::default();
        let (mut exif, mut is_jfif, mut transform) = (None, false, None);
        let mut at = 2; // after the start marker
        loop {
            let (marker, data) = segment(bytes, &mut at)?;
            if let Some(found) = Frame::read(marker, data)? {
                if frame.replace(found).is_some() {
                    return Err(damaged("it has two frames"));
                }
                continue;
            }
            match marker {
                0xD9 => return Err(damaged("it has no picture")),
                0xDA => {
                    let frame = frame.ok_or_else(|| damaged("it has no frame"))?;
                    return Ok(Jpeg {
                        bytes,
                        colours: colours(&frame, is_jfif, transform),
                        frame,
                        tables,
                        exif,
                        first_scan: data,
                        at,
                    });
                }
                0xE0 => is_jfif |= data.starts_with(b"JFIF\0") && data.len() >= 14,
                0xE1 if exif.is_none() => exif = data.strip_prefix(b"Exif\0\0"),
                0xEE if data.starts_with(b"Adobe") => transform = data.get(11).copied(),
                _ => tables.read(marker, data)?,
            }
        }
    }

    /// Width and height in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        // The file stores each in 16 bits.
        (self.frame.width as u32, self.frame.height as u32)
    }

    /// Number of channels: 1, 3 or 4.
    pub(super) fn channels(&self) -> usize {
        self.frame.components.len()
    }

    /// The EXIF block without its signature.
    pub(super) fn exif(&self) -> &'a [u8] {
        self.exif.unwrap_or_default()
    }

    /// The pixels, `[height, width, 3]`. Needs at most two bytes per pixel and channel in addition
    /// to the result.
    pub(super) fn decode(mut self) -> Result<Vec<u8>, Fault> {
        self.check_visits()?;
        let first = self.frame.scan(self.first_scan, &self.tables)?;
        let is_whole = first.parts.len() == self.frame.components.len();
        let rows = match is_whole && !self.frame.progressive {
            true => return self.decode_at_once(&first),
            false => self.frame.units_high,
        };
        let zeros = |component| Coefficients::zeros(component, rows);
        let mut coefficients: Vec<_> = self.frame.components.iter().map(zeros).collect();
        let mut scan = first;
        loop {
            let mut reading = Reading::new(&self.frame, &scan, &self.tables, self.bytes, self.at)?;
            for row in 0..rows {
                reading.row(&self.frame, row, &mut coefficients)?;
            }
            self.at = reading.end();
            match self.next_scan()? {
                Some(next) => scan = next,
                None => break,
            }
        }
        self.frame.check_complete()?;
        let mut output = Output::new(&self.frame, self.colours);
        for row in 0..rows {
            output.row(row, &coefficients);
        }
        Ok(output.finish())
    }

    /// Refuses, before decoding, a file whose scans cover a large picture too many times.
    fn check_visits(&self) -> Result<(), Fault> {
        let (mut at, mut visits) = (self.at, self.frame.blocks(self.first_scan));
        while visits <= MOST_VISITS {
            match segment(self.bytes, &mut at)? {
                (0xD9, _) => return Ok(()),
                (0xDA, scan) => visits += self.frame.blocks(scan),
                _ => {}
            }
        }
        Err(unread("with so many scans of so large a picture"))
    }

    /// Decodes a file with a single complete scan, holding one row of units at a time.
    fn decode_at_once(mut self, scan: &header::Scan) -> Result<Vec<u8>, Fault> {
        let mut reading = Reading::new(&self.frame, scan, &self.tables, self.bytes, self.at)?;
        let zeros = |component| Coefficients::zeros(component, 1);
        let mut coefficients: Vec<_> = self.frame.components.iter().map(zeros).collect();
        let mut output = Output::new(&self.frame, self.colours);
        for row in 0..self.frame.units_high {
            coefficients.iter_mut().for_each(Coefficients::clear);
            reading.row(&self.frame, row, &mut coefficients)?;
            output.row(row, &coefficients);
        }
        let rgb = output.finish();
        self.at = reading.end();
        match self.next_scan()? {
            Some(_) => Err(damaged("a scan tells what an earlier one has told")),
            None => Ok(rgb),
        }
    }

    /// The next scan, after the segments before it; `None` at the end of the picture.
    fn next_scan(&mut self) -> Result<Option<header::Scan>, Fault> {
        loop {
            let (marker, data) = segment(self.bytes, &mut self.at)?;
            if Frame::read(marker, data)?.is_some() {
                return Err(damaged("it has two frames"));
            }
            match marker {
                0xD9 => return Ok(None),
                0xDA => return self.frame.scan(data, &self.tables).map(Some),
                0xDC => {} // DNL: the height, which the frame header has given already
                _ => self.tables.read(marker, data)?,
            }
        }
    }
}
