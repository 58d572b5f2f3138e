//! Reads the Huffman codes of a JPEG's scan.
//!
//! In: the bytes of a scan up to the next marker. Out: symbols and signed numbers. This module must
//! not know what they mean.

use super::fault::{Fault, damaged};

/// Codes up to this length are found by one table lookup.
const QUICK: u32 = 9;

/// A Huffman table.
pub(super) struct Huffman {
    /// For each prefix of `QUICK` bits: the symbol and the length of its code, 0 if that is longer.
    quick: [(u8, u8); 1 << QUICK],
    /// For each length, the first code beyond it, left-aligned in 16 bits; then the offset from a
    /// code to its symbol's index.
    ends: [(u32, i32); 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// Builds a table from the number of codes of each length and the symbols in their order.
    /// `None` if a length has more codes than it can have, or if there are not 1 to 256 in all.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        if symbols.len() > 256 {
            return None;
        }
        let mut quick = [(0, 0); 1 << QUICK];
        let mut ends = [(0, 0); 17];
        let (mut code, mut first) = (0_u32, 0_usize);
        for (length, &count) in (1_u32..).zip(counts) {
            ends[length as usize].1 = first as i32 - code as i32;
            for &symbol in &symbols[first..first + usize::from(count)] {
                if code >= 1 << length {
                    return None;
                }
                if length <= QUICK {
                    let from = (code << (QUICK - length)) as usize;
                    quick[from..from + (1 << (QUICK - length))].fill((symbol, length as u8));
                }
                code += 1;
            }
            first += usize::from(count);
            ends[length as usize].0 = code << (16 - length);
            code <<= 1;
        }
        Some(Huffman {
            quick,
            ends,
            symbols: symbols.to_vec(),
        })
    }
}

/// Reads the bits of a scan.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Index of the next byte to read.
    at: usize,
    /// A buffer whose lowest `count` bits come next.
    held: u64,
    count: u32,
    /// How many of them are zeros added after the end of the data.
    beyond: u32,
}

impl<'a> Bits<'a> {
    /// Starts at the byte `at`; the data ends at a marker.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Bits {
            bytes,
            at,
            held: 0,
            count: 0,
            beyond: 0,
        }
    }

    /// The position of the marker that ends the data, or the end of the file. Unread whole bytes
    /// are skipped.
    pub(super) fn end(mut self) -> usize {
        while self.data_byte().is_some() {}
        self.at
    }

    /// Whether more bits were read than there were.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match self.beyond > self.count {
            true => Err(damaged("a scan's data breaks off")),
            false => Ok(()),
        }
    }

    /// Skips the restart marker `number` (0 to 7), which must come next.
    pub(super) fn restart(&mut self, number: u8) -> Result<(), Fault> {
        self.check()?;
        self.held = 0;
        self.count = 0;
        self.beyond = 0;
        while self.data_byte().is_some() {}
        while self.bytes.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1;
        }
        if self.bytes.get(self.at..self.at + 2) != Some(&[0xFF, 0xD0 + number]) {
            return Err(damaged("a restart marker is missing"));
        }
        self.at += 2;
        Ok(())
    }

    /// The next byte of the data; `None` at a marker or at the end of the file.
    fn data_byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        if byte != 0xFF {
            self.at += 1;
            return Some(byte);
        }
        // A zero byte after 0xFF makes it data, with or without fill bytes between them.
        let rest = &self.bytes[self.at..];
        let fill = rest.iter().position(|&b| b != 0xFF)?;
        if rest[fill] != 0 {
            return None;
        }
        self.at += fill + 1;
        Some(byte)
    }

    /// Makes at least 32 bits available, enough for a symbol and the number after it.
    #[inline]
    fn fill(&mut self) {
        if self.count >= 32 {
            return;
        }
        // Fast path: four bytes without 0xFF.
        if let Some(four) = self.bytes.get(self.at..).and_then(|b| b.first_chunk::<4>())
            && !four.contains(&0xFF)
        {
            self.held = self.held << 32 | u64::from(u32::from_be_bytes(*four));
            self.count += 32;
            self.at += 4;
            return;
        }
        while self.count <= 56 {
            let byte = self.data_byte();
            if byte.is_none() {
                self.beyond = (self.beyond + 8).min(1 << 20);
            }
            self.held = self.held << 8 | u64::from(byte.unwrap_or(0));
            self.count += 8;
        }
    }

    /// The next symbol.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        self.fill();
        let next = (self.held >> (self.count - QUICK)) as usize & ((1 << QUICK) - 1);
        let (symbol, length) = table.quick[next];
        if length != 0 {
            self.count -= u32::from(length);
            return Ok(symbol);
        }
        self.long_symbol(table)
    }

    #[cold]
    fn long_symbol(&mut self, table: &Huffman) -> Result<u8, Fault> {
        let next = (self.held >> (self.count - 16)) as u32 & 0xFFFF;
        for length in QUICK + 1..=16 {
            let (end, offset) = table.ends[length as usize];
            if next < end {
                self.count -= length;
                let place = (next >> (16 - length)) as i32 + offset;
                let symbol = usize::try_from(place).ok();
                let symbol = symbol.and_then(|place| table.symbols.get(place));
                return symbol.copied().ok_or_else(|| damaged("a code is unknown"));
            }
        }
        self.check()?;
        Err(damaged("a code is unknown"))
    }

    /// The next `length` bits, at most 16, which [`Bits::symbol`] has already buffered.
    #[inline]
    pub(super) fn behind_symbol(&mut self, length: u32) -> u32 {
        self.count -= length;
        (self.held >> self.count) as u32 & ((1 << length) - 1)
    }

    /// The signed number of `length` bits that follows a symbol.
    #[inline]
    pub(super) fn signed(&mut self, length: u32) -> i32 {
        if length == 0 {
            return 0;
        }
        let value = self.behind_symbol(length) as i32;
        match value < 1 << (length - 1) {
            true => value - (1 << length) + 1,
            false => value,
        }
    }

    /// The next bit.
    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.fill();
        self.behind_symbol(1) != 0
    }
}
