//! Quantised matrices joined into one: what reads the same input is multiplied by one launch.

use std::collections::VecDeque;

use super::levels::{BLOCK, Layout, Quant};
use crate::error::Result;

/// Matrices put one above another, in the bytes of one.
pub struct Stack {
    quant: Quant,
    columns: usize,
    /// Of all of them, one behind the other.
    heights: VecDeque<usize>,
    layout: Layout,
    /// Rows that are there.
    rows: usize,
    bytes: Vec<u8>,
}

impl Stack {
    /// Room for matrices of so many rows each. None where one cannot stand behind another, since the scales of its blocks
    /// are padded.
    pub fn new(quant: Quant, heights: &[usize], columns: usize) -> Option<Self> {
        let layout = quant.layout(heights.iter().sum(), columns).ok()?;
        let is_padded = |rows: &usize| !(rows * (columns / BLOCK)).is_multiple_of(4);
        if heights.iter().any(is_padded) {
            return None;
        }
        Some(Stack {
            quant,
            columns,
            heights: heights.iter().copied().collect(),
            layout,
            rows: 0,
            bytes: Vec::new(),
        })
    }

    /// Bytes of all matrices together.
    pub fn byte_count(&self) -> usize {
        self.layout.bytes()
    }

    /// Puts the next matrix in its place.
    ///
    /// # Errors
    /// As [`Quant::checked_layout`] and [`Layout::check_row_scales`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let rows = self.heights.pop_front().unwrap_or(0);
        let part = self.quant.checked_layout(bytes.len(), rows, self.columns)?;
        part.check_row_scales(bytes, 0)?;
        let above = self.quant.layout(self.rows, self.columns)?;
        // Not before it is needed: memory of a browser's module is never given back.
        self.bytes.resize(self.layout.bytes(), 0);
        let (codes, scales) = bytes.split_at(part.codes);
        let (block_scales, row_scales) = scales.split_at(part.block_scales);
        let second = self.layout.codes;
        let third = second + self.layout.block_scales;
        for (first, from) in [
            (above.codes, codes),
            (second + above.block_scales, block_scales),
            (third + above.row_scales, row_scales),
        ] {
            self.bytes[first..first + from.len()].copy_from_slice(from);
        }
        self.rows += rows;
        Ok(())
    }

    /// What [`Quant::layout`] describes, of all rows.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
