//! Decodes the scans of a JPEG to the coefficients of blocks.
//!
//! In: a scan's data. Out: [`Coefficients`]. This module must not know how they are used.

use super::fault::{Fault, damaged};
use super::header::{Component, Frame, Scan, Tables, ZIGZAG};
use super::huffman::{Bits, Huffman};

/// Coefficients of one component's blocks, 64 per block, row by row, for some rows of units.
pub(super) struct Coefficients {
    blocks: Vec<[i16; 64]>,
    blocks_wide: usize,
    /// Rows of blocks.
    high: usize,
}

impl Coefficients {
    /// All zeros, for `unit_rows` rows of units.
    pub(super) fn zeros(component: &Component, unit_rows: usize) -> Self {
        let high = unit_rows * component.v;
        Coefficients {
            blocks: vec![[0; 64]; component.blocks_wide * high],
            blocks_wide: component.blocks_wide,
            high,
        }
    }

    pub(super) fn clear(&mut self) {
        self.blocks.fill([0; 64]);
    }

    /// A row of blocks. If only one row of units is held, it stands for every row of units.
    pub(super) fn row(&self, row: usize) -> &[[i16; 64]] {
        &self.blocks[row % self.high * self.blocks_wide..][..self.blocks_wide]
    }

    fn block(&mut self, row: usize, column: usize) -> Result<&mut [i16; 64], Fault> {
        let at = row % self.high * self.blocks_wide + column;
        let block = self.blocks.get_mut(at);
        block.ok_or_else(|| damaged("a scan has more blocks than the picture"))
    }
}

/// A scan that is decoded one row of units at a time.
pub(super) struct Reading<'a> {
    scan: &'a Scan,
    bits: Bits<'a>,
    coding: Coding<'a>,
    /// Units between restarts, 0 for none; units until the next; its number.
    restart: usize,
    until_restart: usize,
    restart_number: u8,
}

/// How a scan's blocks are coded, and the state carried between blocks.
struct Coding<'a> {
    progressive: bool,
    from: usize,
    to: usize,
    refines: bool,
    low_bit: u32,
    /// DC and AC tables for each component of the scan.
    tables: Vec<(Option<&'a Huffman>, Option<&'a Huffman>)>,
    /// The last DC value of each component.
    means: Vec<i32>,
    /// Remaining blocks of an end-of-band run.
    ended: u32,
}

impl<'a> Reading<'a> {
    /// Starts at the byte `at`, where the scan's data begins.
    pub(super) fn new(
        frame: &Frame,
        scan: &'a Scan,
        tables: &'a Tables,
        bytes: &'a [u8],
        at: usize,
    ) -> Result<Self, Fault> {
        let refines = scan.high_bit != 0;
        let needs_dc = scan.from == 0 && !refines;
        let needs_ac = scan.to > 0;
        let missing = || damaged("a Huffman table is missing");
        let tables_of = |&(_, dc, ac): &(usize, usize, usize)| {
            let (dc, ac) = (tables.dc[dc].as_ref(), tables.ac[ac].as_ref());
            let there = (dc.is_some() || !needs_dc) && (ac.is_some() || !needs_ac);
            there.then_some((dc, ac)).ok_or_else(missing)
        };
        Ok(Reading {
            scan,
            bits: Bits::new(bytes, at),
            coding: Coding {
                progressive: frame.progressive,
                from: scan.from,
                to: scan.to,
                refines,
                low_bit: scan.low_bit,
                tables: scan.parts.iter().map(tables_of).collect::<Result<_, _>>()?,
                means: vec![0; scan.parts.len()],
                ended: 0,
            },
            restart: tables.restart,
            until_restart: tables.restart,
            restart_number: 0,
        })
    }

    /// Position of the end of the data.
    pub(super) fn end(self) -> usize {
        self.bits.end()
    }

    /// Decodes one row of units into the components' coefficients.
    pub(super) fn row(
        &mut self,
        frame: &Frame,
        unit_row: usize,
        coefficients: &mut [Coefficients],
    ) -> Result<(), Fault> {
        let scan = self.scan;
        if let [(number, ..)] = scan.parts[..] {
            // Units are single blocks here, without padding blocks.
            let component = &frame.components[number];
            let wide = component.width.div_ceil(8);
            let high = component.height.div_ceil(8);
            let first = unit_row * component.v;
            for row in first..(first + component.v).min(high) {
                for column in 0..wide {
                    self.begin_unit()?;
                    let block = coefficients[number].block(row, column)?;
                    self.coding.block(&mut self.bits, 0, block)?;
                }
                self.bits.check()?;
            }
            return Ok(());
        }
        for unit in 0..frame.units_wide {
            self.begin_unit()?;
            for (part, &(number, ..)) in scan.parts.iter().enumerate() {
                let Component { h, v, .. } = frame.components[number];
                for y in 0..v {
                    for x in 0..h {
                        let block = coefficients[number].block(unit_row * v + y, unit * h + x)?;
                        self.coding.block(&mut self.bits, part, block)?;
                    }
                }
            }
        }
        self.bits.check()
    }

    /// Skips a restart marker if one is due.
    fn begin_unit(&mut self) -> Result<(), Fault> {
        if self.restart == 0 {
            return Ok(());
        }
        if self.until_restart == 0 {
            self.bits.restart(self.restart_number)?;
            self.restart_number = (self.restart_number + 1) % 8;
            self.until_restart = self.restart;
            self.coding.means.fill(0);
            self.coding.ended = 0;
        }
        self.until_restart -= 1;
        Ok(())
    }
}

impl Coding<'_> {
    #[inline]
    fn block(&mut self, bits: &mut Bits, part: usize, block: &mut [i16; 64]) -> Result<(), Fault> {
        match (self.progressive, self.from, self.refines) {
            (false, ..) => self.whole(bits, part, block),
            (true, 0, false) => self.mean(bits, part, block),
            (true, 0, true) => {
                if bits.bit() {
                    block[0] |= 1 << self.low_bit;
                }
                Ok(())
            }
            (true, _, false) => self.band(bits, part, block),
            (true, _, true) => self.refined_band(bits, part, block),
        }
    }

    /// The DC coefficient, coded as the difference from the previous block's.
    #[inline]
    fn mean(&mut self, bits: &mut Bits, part: usize, block: &mut [i16; 64]) -> Result<(), Fault> {
        let length = match self.tables[part].0 {
            Some(table) => u32::from(bits.symbol(table)?),
            None => 0, // `Reading::new` has checked this
        };
        if length > 15 {
            return Err(damaged("a difference has too many bits"));
        }
        let mean = &mut self.means[part];
        *mean = mean.wrapping_add(bits.signed(length));
        block[0] = (*mean << self.low_bit) as i16;
        Ok(())
    }

    /// All coefficients of a block.
    #[inline]
    fn whole(&mut self, bits: &mut Bits, part: usize, block: &mut [i16; 64]) -> Result<(), Fault> {
        self.mean(bits, part, block)?;
        let Some(table) = self.tables[part].1 else {
            return Ok(()); // `Reading::new` has checked this
        };
        let mut k = 1;
        while k < 64 {
            let symbol = bits.symbol(table)?;
            let (zeros, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            k += zeros;
            if length == 0 {
                if zeros != 15 {
                    break;
                }
            } else {
                let place = ZIGZAG.get(k).ok_or_else(too_many)?;
                block[*place] = bits.signed(length) as i16;
            }
            k += 1;
        }
        Ok(())
    }

    /// Progressive: the upper bits of a band of coefficients.
    fn band(&mut self, bits: &mut Bits, part: usize, block: &mut [i16; 64]) -> Result<(), Fault> {
        if self.ended > 0 {
            self.ended -= 1;
            return Ok(());
        }
        let Some(table) = self.tables[part].1 else {
            return Ok(()); // `Reading::new` has checked this
        };
        let mut k = self.from;
        while k <= self.to {
            let symbol = bits.symbol(table)?;
            let (zeros, length) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            if length == 0 {
                if zeros < 15 {
                    let blocks = (1 << zeros) + bits.behind_symbol(zeros as u32);
                    self.ended = blocks - 1;
                    break;
                }
                k += 16;
                continue;
            }
            k += zeros;
            if k > self.to {
                return Err(too_many());
            }
            block[ZIGZAG[k]] = (bits.signed(length) << self.low_bit) as i16;
            k += 1;
        }
        Ok(())
    }

    /// Progressive: one more bit of each coefficient of a band.
    fn refined_band(
        &mut self,
        bits: &mut Bits,
        part: usize,
        block: &mut [i16; 64],
    ) -> Result<(), Fault> {
        let Some(table) = self.tables[part].1 else {
            return Ok(()); // `Reading::new` has checked this
        };
        let plus = 1_i16 << self.low_bit;
        let refine = |bits: &mut Bits, value: &mut i16| {
            if bits.bit() && *value & plus == 0 {
                let more = if *value >= 0 { plus } else { -plus };
                *value = value.wrapping_add(more);
            }
        };
        let mut k = self.from;
        while self.ended == 0 && k <= self.to {
            let symbol = bits.symbol(table)?;
            let (mut zeros, length) = (u32::from(symbol >> 4), symbol & 15);
            let mut new = 0;
            match length {
                0 if zeros < 15 => {
                    self.ended = (1 << zeros) + bits.behind_symbol(zeros);
                    break;
                }
                0 => {} // sixteen zeros
                1 => {
                    new = if bits.behind_symbol(1) == 1 {
                        plus
                    } else {
                        -plus
                    }
                }
                _ => return Err(damaged("a refinement has too many bits")),
            }
            // Skips coefficients that are not zero, refining each by one bit, up to the right zero.
            while k <= self.to {
                let value = &mut block[ZIGZAG[k]];
                k += 1;
                if *value != 0 {
                    refine(bits, value);
                } else if zeros > 0 {
                    zeros -= 1;
                } else {
                    *value = new;
                    break;
                }
            }
        }
        if self.ended > 0 {
            for &place in ZIGZAG.get(k..=self.to).unwrap_or_default() {
                if block[place] != 0 {
                    refine(bits, &mut block[place]);
                }
            }
            self.ended -= 1;
        }
        Ok(())
    }
}

fn too_many() -> Fault {
    damaged("a block has more than 64 coefficients")
}
