//! Decodes rows of a quantised matrix in place, without copying the bytes.

use super::levels::{BLOCK, Quant, level_q4};
use crate::error::Result;

/// The bytes of `rows` rows, as [`Quant::layout`] describes them.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    quant: Quant,
    codes: &'a [u8],
    block_scales: &'a [u8],
    row_scales: &'a [[u8; 4]],
    blocks: usize,
}

/// One of the rows.
#[derive(Debug, Clone, Copy)]
pub struct PackedRow<'a> {
    quant: Quant,
    codes: &'a [u8],
    block_scales: &'a [u8],
    row_scale: f32,
}

impl<'a> Packed<'a> {
    /// Interprets `bytes` as `rows` rows of `columns` weights.
    ///
    /// # Errors
    /// The errors of [`Quant::checked_layout`].
    pub fn new(quant: Quant, bytes: &'a [u8], rows: usize, columns: usize) -> Result<Self> {
        let layout = quant.checked_layout(bytes.len(), rows, columns)?;
        let (codes, rest) = bytes.split_at(layout.codes);
        let (block_scales, row_scales) = rest.split_at(layout.block_scales);
        Ok(Packed {
            quant,
            codes,
            block_scales,
            row_scales: row_scales.as_chunks().0,
            blocks: columns / BLOCK,
        })
    }

    /// The codes of all rows, and the block scales.
    pub fn codes_and_scales(&self) -> [&'a [u8]; 2] {
        let blocks = self.len() * self.blocks;
        [self.codes, &self.block_scales[..blocks]]
    }

    /// The scale of each row, an f32.
    pub fn row_scales(&self) -> &'a [[u8; 4]] {
        self.row_scales
    }

    /// Number of rows.
    #[allow(clippy::len_without_is_empty, reason = "no matrix is empty")]
    pub fn len(&self) -> usize {
        self.row_scales.len()
    }

    /// The rows, in their order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = PackedRow<'a>> + use<'a> {
        let Packed { quant, blocks, .. } = *self;
        let codes = self.codes.chunks_exact(quant.block_bytes() * blocks);
        let parts = codes.zip(self.block_scales.chunks_exact(blocks));
        let row = move |((codes, block_scales), &row_scale)| PackedRow {
            quant,
            codes,
            block_scales,
            row_scale: f32::from_le_bytes(row_scale),
        };
        parts.zip(self.row_scales).map(row)
    }

    /// The weights, `[rows, columns]`.
    pub fn dequantize(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.len() * self.blocks * BLOCK];
        let into = values.chunks_exact_mut(self.blocks * BLOCK);
        for (row, values) in self.rows().zip(into) {
            row.dequantize(values);
        }
        values
    }
}

impl Quant {
    /// The weights in `bytes`: `[rows, columns]`.
    ///
    /// # Errors
    /// The errors of [`Quant::checked_layout`].
    pub fn dequantize(self, bytes: &[u8], rows: usize, columns: usize) -> Result<Vec<f32>> {
        Ok(Packed::new(self, bytes, rows, columns)?.dequantize())
    }
}

impl<'a> PackedRow<'a> {
    /// A row from its parts: the codes, the block scales, and the row scale.
    pub fn new(quant: Quant, codes: &'a [u8], block_scales: &'a [u8], row_scale: f32) -> Self {
        PackedRow {
            quant,
            codes,
            block_scales,
            row_scale,
        }
    }

    /// The levels of each block, and the block's scale.
    fn blocks(&self) -> impl Iterator<Item = ([f32; BLOCK], f32)> + use<'a> {
        let quant = self.quant;
        let codes = self.codes.chunks_exact(quant.block_bytes());
        let blocks = codes.zip(self.block_scales);
        blocks.map(move |(codes, &scale)| (levels(quant, codes), f32::from(scale as i8)))
    }

    /// Writes the weights to `values`.
    pub fn dequantize(&self, values: &mut [f32]) {
        let into = values.as_chunks_mut::<BLOCK>().0;
        for ((levels, scale), values) in self.blocks().zip(into) {
            let scale = self.row_scale * scale;
            *values = levels.map(|level| scale * level);
        }
    }
}

/// The levels of a block's codes, before scaling.
fn levels(quant: Quant, codes: &[u8]) -> [f32; BLOCK] {
    let mut levels = [0.0; BLOCK];
    match quant {
        Quant::Q4 => {
            for (pair, &byte) in levels.as_chunks_mut::<2>().0.iter_mut().zip(codes) {
                *pair = [level_q4(byte & 15), level_q4(byte >> 4)];
            }
        }
        Quant::Q8 => {
            for (level, &byte) in levels.iter_mut().zip(codes) {
                *level = f32::from(byte as i8);
            }
        }
    }
    levels
}
