//! The definition of weights in 4 or 8 bits.
//!
//! A matrix `[rows, columns]` is divided along its rows into blocks of [`BLOCK`] weights. A weight
//! is
//!
//! ```text
//! row_scale * block_scale * level(code)      row_scale f32, block_scale i8, code 4 or 8 bits
//! ```
//!
//! [`Quant::Q8`]: `level(code) = code`, an i8. 8.25 bits per weight, plus 32 bits per row.
//!
//! [`Quant::Q4`]: `level(code) = t + t³ / 128` with `t = code - 8`: steps are finer near zero,
//! where most weights are. The levels range from -12 to 9.7, and the block's scale may be negative,
//! so that its largest weight can use the longer end. 4.25 bits per weight, plus 32 bits per row.
//!
//! For normally distributed weights the error is 7.3 % of their size; that of llama.cpp's Q4_0 (4.5
//! bits) is 8.5 % (tests/stages/quantize.rs).
//!
//! This is the reference: the shaders and the CPU's products are tested against
//! [`Quant::dequantize`].

use crate::error::{Error, Result};

/// Weights that share a scale.
pub const BLOCK: usize = 32;

/// The format of a quantised matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quant {
    /// 4 bits, with levels whose distance grows away from zero.
    Q4,
    /// 8 bits, with evenly spaced levels.
    Q8,
}

/// Sizes of the three parts of `rows` rows: codes, then block scales, then row scales; each part
/// begins at a multiple of 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Size of the codes in bytes.
    pub codes: usize,
    /// Size of the block scales in bytes, including the padding after them.
    pub block_scales: usize,
    /// Size of the row scales in bytes.
    pub row_scales: usize,
}

impl Layout {
    /// Size of all three parts in bytes.
    pub fn bytes(&self) -> usize {
        self.codes + self.block_scales + self.row_scales
    }

    /// Checks that every row scale in `bytes`, which have this layout, is finite; `first_row` is
    /// the number of the first row, for the message.
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
    /// Bits per code.
    pub fn bits(self) -> usize {
        match self {
            Quant::Q4 => 4,
            Quant::Q8 => 8,
        }
    }

    /// Size of a block's codes in bytes.
    pub fn block_bytes(self) -> usize {
        BLOCK / 8 * self.bits()
    }

    /// Its name in manifests and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Quant::Q4 => "q4",
            Quant::Q8 => "q8",
        }
    }

    /// Whether a matrix with this number of columns can be divided into blocks.
    pub fn fits(columns: usize) -> bool {
        columns > 0 && columns.is_multiple_of(BLOCK)
    }

    /// The layout of `rows` rows of `columns` weights.
    ///
    /// # Errors
    /// [`Error::Quantised`] if the columns are not a multiple of [`BLOCK`], or if the size exceeds
    /// the address space.
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

    /// As [`Quant::layout`], and checks that its size is `found` bytes.
    ///
    /// # Errors
    /// The errors of [`Quant::layout`]; [`Error::Quantised`] if the sizes differ.
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

/// The level of a code of [`Quant::Q4`], 0 to 15: -12 to 9.7.
#[inline]
pub const fn level_q4(code: u8) -> f32 {
    let t = code as f32 - 8.0;
    t + t * t * t / 128.0
}
