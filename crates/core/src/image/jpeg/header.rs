//! A JPEG's segments: sizes, tables and the headers of scans.
//!
//! In: untrusted bytes. Out: [`Frame`], [`Tables`], [`Scan`]. This module decodes no samples, and
//! allocates nothing whose size is given by the file.

use super::fault::{Fault, damaged, unread};
use super::huffman::Huffman;

/// Position in a block, row by row, of each coefficient in the file's zigzag order.
pub(super) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
/// Most blocks in a unit (MCU) of an interleaved scan, by the standard.
const MOST_BLOCKS: usize = 10;

/// A component (channel) as it is stored.
pub(super) struct Component {
    pub id: u8,
    /// Sampling factors, 1 to 4: blocks per unit across and down.
    pub h: usize,
    pub v: usize,
    /// Samples across and down that belong to the picture.
    pub width: usize,
    pub height: usize,
    /// Blocks across, including those that pad the last unit.
    pub blocks_wide: usize,
    /// Index of its quantization table.
    table: usize,
    /// The quantization table, row by row, as it was when the component's first scan began; `None`
    /// before.
    pub quantisers: Option<[u16; 64]>,
    /// For progressive files: how many low bits of each coefficient, in zigzag order, are still to
    /// come; -1: all.
    pub missing_bits: [i8; 64],
}

/// The contents of the frame header.
pub(super) struct Frame {
    pub progressive: bool,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    pub components: Vec<Component>,
    /// The largest sampling factors.
    pub max_h: usize,
    pub max_v: usize,
    /// Units across and down.
    pub units_wide: usize,
    pub units_high: usize,
}

/// State that segments between the scans may change.
#[derive(Default)]
pub(super) struct Tables {
    quantisers: [Option<[u16; 64]>; 4],
    pub dc: [Option<Huffman>; 4],
    pub ac: [Option<Huffman>; 4],
    /// Units between two restart markers; 0 without restart markers.
    pub restart: usize,
}

/// The contents of a scan header.
pub(super) struct Scan {
    /// Component indices, each with those of its DC and AC tables.
    pub parts: Vec<(usize, usize, usize)>,
    /// The first and last coefficient, in zigzag order.
    pub from: usize,
    pub to: usize,
    /// Successive approximation: the lowest bit of earlier scans (0 if there was none), and the
    /// lowest bit of this one.
    pub high_bit: u32,
    pub low_bit: u32,
}

/// The next marker's code and its segment's data, starting at `at`, which is then advanced past
/// them. Fill bytes and bytes that are not markers are skipped, as in libjpeg.
pub(super) fn segment<'a>(bytes: &'a [u8], at: &mut usize) -> Result<(u8, &'a [u8]), Fault> {
    let breaks_off = || damaged("it breaks off before its end");
    loop {
        let rest = bytes.get(*at..).ok_or_else(breaks_off)?;
        *at += rest
            .iter()
            .position(|&b| b == 0xFF)
            .ok_or_else(breaks_off)?
            + 1;
        let marker = *bytes.get(*at).ok_or_else(breaks_off)?;
        match marker {
            0xFF => continue,
            0x00 | 0x01 | 0xD0..=0xD8 => *at += 1, // no length follows
            0xD9 => {
                *at += 1;
                return Ok((marker, &[]));
            }
            _ => {
                let length = bytes.get(*at + 1..*at + 3).ok_or_else(breaks_off)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                let data = bytes.get(*at + 3..*at + 1 + length);
                if length < 2 {
                    return Err(damaged("a segment states a length below its own header's"));
                }
                *at += 1 + length;
                return Ok((marker, data.ok_or_else(breaks_off)?));
            }
        }
    }
}

/// Refuses unsupported codings, by name; accepts markers that are not frames.
fn refuse_kind(marker: u8) -> Result<(), Fault> {
    match marker {
        0xC3 => Err(unread("lossless")),
        0xC5..=0xC7 | 0xCD..=0xCF | 0xDE => Err(unread("hierarchical")),
        0xC9 | 0xCA => Err(unread("arithmetic coding")),
        0xCB => Err(unread("lossless, arithmetic coding")),
        0xF7 => Err(unread("JPEG-LS")),
        _ => Ok(()),
    }
}

impl Frame {
    /// Parses the frame header if `marker` begins one.
    pub(super) fn read(marker: u8, data: &[u8]) -> Result<Option<Frame>, Fault> {
        refuse_kind(marker)?;
        if !matches!(marker, 0xC0..=0xC2) {
            return Ok(None);
        }
        let (Some(&[bits, h1, h0, w1, w0, count]), Some(parts)) =
            (data.first_chunk::<6>(), data.get(6..))
        else {
            return Err(damaged("its frame's header is too short"));
        };
        if bits != 8 {
            return Err(unread(&format!("{bits} bits a channel")));
        }
        if !matches!(count, 1 | 3 | 4) {
            return Err(unread(&format!("{count} channels")));
        }
        let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
        let (width, height) = (side(w1, w0), side(h1, h0));
        if height == 0 {
            return Err(unread("its height is told after its data"));
        }
        let parts = parts.chunks_exact(3).take(count.into());
        if parts.len() != usize::from(count) {
            return Err(damaged("its frame's header is too short"));
        }
        let mut components = Vec::new();
        for part in parts {
            let (h, v, table) = (part[1] >> 4, part[1] & 15, part[2]);
            if !(1..=4).contains(&h) || !(1..=4).contains(&v) || table > 3 {
                let found = format!("a channel's sampling is {h} x {v}, its table {table}");
                return Err(damaged(&found));
            }
            components.push(Component {
                id: part[0],
                h: h.into(),
                v: v.into(),
                width: 0,
                height: 0,
                blocks_wide: 0,
                table: table.into(),
                quantisers: None,
                missing_bits: [-1; 64],
            });
        }
        let max_h = components.iter().map(|c| c.h).max().unwrap_or(1);
        let max_v = components.iter().map(|c| c.v).max().unwrap_or(1);
        let units_wide = width.div_ceil(8 * max_h);
        for component in &mut components {
            let Component { h, v, .. } = *component;
            // No program writes these, and libjpeg refuses them too.
            if !max_h.is_multiple_of(h) || !max_v.is_multiple_of(v) {
                let kind = format!("a channel sampled {h} x {v} beside {max_h} x {max_v}");
                return Err(unread(&kind));
            }
            component.width = (width * h).div_ceil(max_h);
            component.height = (height * v).div_ceil(max_v);
            component.blocks_wide = units_wide * h;
        }
        Ok(Some(Frame {
            progressive: marker == 0xC2,
            width,
            height,
            components,
            max_h,
            max_v,
            units_wide,
            units_high: height.div_ceil(8 * max_v),
        }))
    }

    /// The number of blocks that a scan covers, from its unverified header.
    pub(super) fn blocks(&self, header: &[u8]) -> u64 {
        let count = header.first().map_or(0, |&count| usize::from(count));
        let parts = header.iter().skip(1).step_by(2).take(count);
        let blocks = parts.map(|&id| {
            let component = self.components.iter().find(|component| component.id == id);
            component.map_or(0, |c| c.blocks_wide * c.v * self.units_high) as u64
        });
        blocks.sum()
    }

    /// Parses a scan header, checks it against the frame, and records what the scan provides.
    pub(super) fn scan(&mut self, data: &[u8], tables: &Tables) -> Result<Scan, Fault> {
        let short = || damaged("a scan's header is too short");
        let count = usize::from(*data.first().ok_or_else(short)?);
        let named = data.get(1..1 + 2 * count).ok_or_else(short)?;
        let last = data.get(1 + 2 * count..4 + 2 * count).ok_or_else(short)?;
        let mut parts: Vec<(usize, usize, usize)> = Vec::new();
        for part in named.chunks_exact(2) {
            // If all components have the same id, they are meant in their order.
            let mut found = self.components.iter().enumerate();
            let found = found.find(|(number, component)| {
                component.id == part[0] && parts.iter().all(|(other, ..)| other != number)
            });
            let (number, _) = found.ok_or_else(|| damaged("a scan names an unknown channel"))?;
            let (dc, ac) = (part[1] >> 4, part[1] & 15);
            if dc > 3 || ac > 3 {
                return Err(damaged("a scan names an unknown table"));
            }
            parts.push((number, dc.into(), ac.into()));
        }
        let blocks = |&(number, ..): &(usize, usize, usize)| {
            self.components[number].h * self.components[number].v
        };
        let blocks: usize = parts.iter().map(blocks).sum();
        if parts.is_empty() || (parts.len() > 1 && blocks > MOST_BLOCKS) {
            return Err(damaged("a scan's units have too many blocks, or none"));
        }
        let mut scan = Scan {
            parts,
            from: 0,
            to: 63,
            high_bit: 0,
            low_bit: 0,
        };
        if self.progressive {
            scan.from = last[0].into();
            scan.to = last[1].into();
            scan.high_bit = u32::from(last[2] >> 4);
            scan.low_bit = u32::from(last[2] & 15);
        }
        self.note(&scan, tables)?;
        Ok(scan)
    }

    /// Records which bits a scan provides. Each may be provided once only, so that a small file
    /// cannot have a large picture decoded over and over.
    fn note(&mut self, scan: &Scan, tables: &Tables) -> Result<(), Fault> {
        let bands = match scan.from {
            0 => scan.to == 0 || !self.progressive,
            from => (from..64).contains(&scan.to) && scan.parts.len() == 1,
        };
        let refined = scan.high_bit == 0 || scan.high_bit == scan.low_bit + 1;
        if !bands || !refined || scan.low_bit > 13 {
            return Err(damaged("a scan's coefficients contradict one another"));
        }
        for &(number, ..) in &scan.parts {
            let component = &mut self.components[number];
            if component.quantisers.is_none() {
                let table = tables.quantisers[component.table];
                component.quantisers =
                    Some(table.ok_or_else(|| damaged("a table of quantisers is missing"))?);
            }
            let expected = if scan.high_bit == 0 {
                -1
            } else {
                scan.high_bit as i8
            };
            for bits in &mut component.missing_bits[scan.from..=scan.to] {
                if *bits != expected {
                    return Err(damaged("a scan tells what an earlier one has told"));
                }
                *bits = scan.low_bit as i8;
            }
        }
        Ok(())
    }

    /// Refuses a picture with missing scans. libjpeg shows such pictures smoothed, using the first
    /// nine AC coefficients; if only finer ones are missing, it shows them unchanged.
    pub(super) fn check_complete(&self) -> Result<(), Fault> {
        let complete = |c: &Component| c.missing_bits[..10].iter().all(|&bits| bits == 0);
        match self.components.iter().all(complete) {
            true => Ok(()),
            false => Err(damaged("some of its scans are missing")),
        }
    }
}

impl Tables {
    /// Reads a segment that defines tables; ignores others.
    pub(super) fn read(&mut self, marker: u8, data: &[u8]) -> Result<(), Fault> {
        match marker {
            0xC4 => self.read_huffman(data),
            0xDB => self.read_quantisers(data),
            0xDD => {
                let interval = data.first_chunk::<2>();
                let interval = interval.ok_or_else(|| damaged("its restart interval is short"))?;
                self.restart = u16::from_be_bytes(*interval).into();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read_quantisers(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        let wrong = || damaged("a table of quantisers is broken");
        while let Some((&head, rest)) = data.split_first() {
            let wide = usize::from(head >> 4 != 0);
            let slot = self.quantisers.get_mut(usize::from(head & 15));
            let (values, rest) = rest.split_at_checked(64 << wide).ok_or_else(wrong)?;
            let mut table = [0; 64];
            for (&place, value) in ZIGZAG.iter().zip(values.chunks_exact(1 << wide)) {
                table[place] = value.iter().fold(0, |sum, &b| sum << 8 | u16::from(b));
            }
            *slot.ok_or_else(wrong)? = Some(table);
            data = rest;
        }
        Ok(())
    }

    fn read_huffman(&mut self, mut data: &[u8]) -> Result<(), Fault> {
        let wrong = || damaged("a Huffman table is broken");
        while let Some((&head, rest)) = data.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).ok_or_else(wrong)?;
            let table = Huffman::new(counts, symbols).ok_or_else(wrong)?;
            let slots = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(wrong()),
            };
            *slots.get_mut(usize::from(head & 15)).ok_or_else(wrong)? = Some(table);
            data = rest;
        }
        Ok(())
    }
}
