//! Weights in 4 or 8 bits: what the bits mean, and which bits say a weight best.
//!
//! A matrix `[rows, columns]` is cut along its rows into blocks of [`BLOCK`] weights. A weight is
//!
//! ```text
//! row_scale * block_scale * level(code)      row_scale f32, block_scale i8, code 4 or 8 bits
//! ```
//!
//! [`Quant::Q8`]: `level(code) = code`, an i8. 8.25 bits a weight, and 32 a row.
//!
//! [`Quant::Q4`]: `level(code) = t + t³ / 128` with `t = code - 8`: steps are finer near zero, where most
//! weights are. One end reaches 12, the other 9.7, and the block's scale may be negative: its largest
//! weight takes the longer end. 4.25 bits a weight, and 32 a row.
//!
//! On normally distributed weights the error is 7.3 % of their size, that of llama.cpp's Q4_0 (4.5 bits)
//! 8.5 % (tests/stages/quantize.rs).
//!
//! This is the one definition: the shaders and the CPU's products are tested against
//! [`Quant::dequantize`].

use crate::error::{Error, Result};

/// Weights that share a scale.
pub const BLOCK: usize = 32;

/// How a matrix is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quant {
    /// 4 bits, levels that widen from zero.
    Q4,
    /// 8 bits, even levels.
    Q8,
}

/// Where the three parts of `rows` rows lie: codes, then block scales, then row scales; each begins
/// at a multiple of 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Of the codes, bytes.
    pub codes: usize,
    /// Of the block scales, bytes, with the padding behind them.
    pub block_scales: usize,
    /// Of the row scales, bytes.
    pub row_scales: usize,
}

impl Layout {
    /// Of all three parts.
    pub fn bytes(&self) -> usize {
        self.codes + self.block_scales + self.row_scales
    }

    /// Of what lies so, that every row's scale is a number; the first row is number `first_row`.
    ///
    /// # Errors
    /// [`Error::Quantised`] naming the row.
    pub fn check_row_scales(&self, bytes: &[u8], first_row: usize) -> Result<()> {
        let scales = bytes[self.codes + self.block_scales..].as_chunks().0;
        let mut scales = scales.iter().map(|&scale| f32::from_le_bytes(scale));
        match scales.position(|scale| !scale.is_finite()) {
            None => Ok(()),
            Some(row) => Err(Error::Quantised {
                reason: format!(
                    "the scale of row {} is not finite; convert or download it again",
                    first_row + row
                ),
            }),
        }
    }
}

impl Quant {
    /// Bits of a code.
    pub fn bits(self) -> usize {
        match self {
            Quant::Q4 => 4,
            Quant::Q8 => 8,
        }
    }

    /// Bytes of a block's codes.
    pub fn block_bytes(self) -> usize {
        BLOCK / 8 * self.bits()
    }

    /// As manifests and the command line say it.
    pub fn name(self) -> &'static str {
        match self {
            Quant::Q4 => "q4",
            Quant::Q8 => "q8",
        }
    }

    /// Whether a matrix with so many columns can be cut into blocks.
    pub fn fits(columns: usize) -> bool {
        columns > 0 && columns.is_multiple_of(BLOCK)
    }

    /// Where the parts of `rows` rows of `columns` lie.
    ///
    /// # Errors
    /// [`Error::Quantised`] if the columns are no blocks, or if there are more bytes than can be
    /// addressed.
    pub fn layout(self, rows: usize, columns: usize) -> Result<Layout> {
        let refused = |reason: &str| Error::Quantised {
            reason: format!(
                "{rows} rows of {columns} columns in {}: {reason}",
                self.name()
            ),
        };
        if !Self::fits(columns) {
            return Err(refused("columns must be blocks of 32"));
        }
        let too_large = || refused("too large");
        let weights = rows.checked_mul(columns).ok_or_else(too_large)?;
        let codes = (weights / 8)
            .checked_mul(self.bits())
            .ok_or_else(too_large)?;
        let block_scales = (weights / BLOCK).checked_next_multiple_of(4);
        let layout = Layout {
            codes,
            block_scales: block_scales.ok_or_else(too_large)?,
            row_scales: rows.checked_mul(4).ok_or_else(too_large)?,
        };
        let all = layout.codes.checked_add(layout.block_scales);
        all.and_then(|bytes| bytes.checked_add(layout.row_scales))
            .ok_or_else(too_large)?;
        Ok(layout)
    }

    /// As [`Quant::layout`], for `found` bytes.
    ///
    /// # Errors
    /// As [`Quant::layout`]; [`Error::Quantised`] if there are not as many bytes as it says.
    pub fn checked_layout(self, found: usize, rows: usize, columns: usize) -> Result<Layout> {
        let layout = self.layout(rows, columns)?;
        match found == layout.bytes() {
            true => Ok(layout),
            false => Err(Error::Quantised {
                reason: format!(
                    "{found} bytes for {rows} rows of {columns} columns in {}, where {} are needed",
                    self.name(),
                    layout.bytes()
                ),
            }),
        }
    }
}

/// What a code of [`Quant::Q4`], 0 to 15, stands for: -12 to 9.7.
pub const fn level_q4(code: u8) -> f32 {
    let t = code as f32 - 8.0;
    t + t * t * t / 128.0
}
