//! Quantised matrices stacked into one, so that matrices with the same input are multiplied in one
//! launch.

use std::collections::VecDeque;

use super::levels::{BLOCK, Layout, Quant};
use crate::error::Result;

/// Matrices stacked along their rows, in the layout of a single one.
pub struct Stack {
    quant: Quant,
    columns: usize,
    /// Rows of the matrices still to come, in order.
    heights: VecDeque<usize>,
    layout: Layout,
    /// Rows added so far.
    rows: usize,
    bytes: Vec<u8>,
}

impl Stack {
    /// Space for matrices with these numbers of rows. `None` if the padding of a matrix's block
    /// scales would leave a gap before the next one.
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

    /// Size of all matrices together in bytes.
    pub fn byte_count(&self) -> usize {
        self.layout.bytes()
    }

    /// Appends the next matrix.
    ///
    /// # Errors
    /// The errors of [`Quant::checked_layout`] and [`Layout::check_row_scales`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let rows = self.heights.pop_front().unwrap_or(0);
        let part = self.quant.checked_layout(bytes.len(), rows, self.columns)?;
        part.check_row_scales(bytes, 0)?;
        let above = self.quant.layout(self.rows, self.columns)?;
        // Allocated only when needed: memory of a WebAssembly module is never returned.
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

    /// The bytes of all rows, in the layout of [`Quant::layout`].
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
