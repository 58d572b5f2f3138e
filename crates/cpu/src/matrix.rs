//! A matrix in 4 or 8 bits, as it lies in a file.

/// Weights that share a scale.
pub const BLOCK: usize = 32;

/// Bits of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// Two codes to a byte, the first in the lower four bits; the level of a code is `t + t^3 / 128` with `t = code - 8`.
    Four,
    /// An i8 each, which is the level.
    Eight,
}

impl Bits {
    /// Bytes of a block's codes.
    pub const fn block_bytes(self) -> usize {
        match self {
            Bits::Four => BLOCK / 2,
            Bits::Eight => BLOCK,
        }
    }

    /// By how much levels are multiplied so that they are whole numbers.
    pub(crate) const fn level_factor(self) -> f32 {
        match self {
            Bits::Four => 128.0,
            Bits::Eight => 1.0,
        }
    }
}

/// 128 times the level of each code of 4 bits: exact, and at most 1536.
pub(crate) const LEVELS: [i16; 16] = {
    let mut levels = [0; 16];
    let mut code = 0;
    while code < 16 {
        let t = code as i16 - 8;
        levels[code] = t * 128 + t * t * t;
        code += 1;
    }
    levels
};

/// `[rows, columns]`; a weight is `row scale * block scale * level`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    pub(crate) bits: Bits,
    pub(crate) codes: &'a [u8],
    /// An i8 for each block.
    pub(crate) block_scales: &'a [u8],
    /// An f32 for each row, the lowest byte first.
    pub(crate) row_scales: &'a [[u8; 4]],
    pub(crate) blocks: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix of `columns` from its three parts. None if their lengths do not fit one another.
    pub fn new(
        bits: Bits,
        columns: usize,
        codes: &'a [u8],
        block_scales: &'a [u8],
        row_scales: &'a [[u8; 4]],
    ) -> Option<Self> {
        let blocks = columns / BLOCK;
        let all = row_scales.len().checked_mul(blocks)?;
        let fits = columns > 0
            && columns.is_multiple_of(BLOCK)
            && codes.len() == all.checked_mul(bits.block_bytes())?
            && block_scales.len() == all;
        fits.then_some(Matrix {
            bits,
            codes,
            block_scales,
            row_scales,
            blocks,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.row_scales.len()
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.blocks * BLOCK
    }

    /// Codes of a level.
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// The codes and the block scales of row `index`, and its scale.
    pub(crate) fn row(&self, index: usize) -> (&'a [u8], &'a [u8], f32) {
        let bytes = self.blocks * self.bits.block_bytes();
        (
            &self.codes[index * bytes..][..bytes],
            &self.block_scales[index * self.blocks..][..self.blocks],
            f32::from_le_bytes(self.row_scales[index]),
        )
    }
}
