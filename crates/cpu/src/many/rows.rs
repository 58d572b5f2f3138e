//! Many rows of f32, rounded to 16 bits.

use super::PAIRS;
use crate::activations::rounded;
use crate::matrix::BLOCK;
use crate::pool::Pool;

/// Numbers of a thread's part.
const PART: usize = 16 << 10;

/// Rows of activations.
#[derive(Debug, Default)]
pub struct Rows {
    /// `[rows, blocks, 16]`: two columns' codes, the first in the lower half.
    pairs: Vec<u32>,
    /// `[rows, blocks]`. NaN where a value was not finite, so that all products are NaN.
    scales: Vec<f32>,
    blocks: usize,
    rows: usize,
}

/// One row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub pairs: &'a [[u32; PAIRS]],
    pub scales: &'a [f32],
}

impl Rows {
    /// Rounds `x` `[rows, columns]`, in the place of what was here.
    pub fn set(&mut self, pool: &Pool, x: &[f32], columns: usize) {
        self.blocks = columns / BLOCK;
        self.rows = x.len() / columns;
        self.pairs.resize(self.rows * self.blocks * PAIRS, 0);
        self.scales.resize(self.rows * self.blocks, 0.0);
        let scales = &mut self.scales;
        let size = (PART / BLOCK).max(1);
        let x = x.as_chunks::<BLOCK>().0;
        pool.chunks(&mut self.pairs, size * PAIRS, |index, pairs| {
            let blocks = &x[index * size..];
            for (block, pairs) in blocks.iter().zip(pairs.as_chunks_mut::<PAIRS>().0) {
                let (codes, _) = rounded(block);
                for (pair, codes) in pairs.iter_mut().zip(codes.as_chunks::<2>().0) {
                    *pair = u32::from(codes[0] as u16) | u32::from(codes[1] as u16) << 16;
                }
            }
        });
        for (scale, block) in scales.iter_mut().zip(x) {
            *scale = crate::activations::scale_of(block);
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Row `index`.
    pub fn row(&self, index: usize) -> Row<'_> {
        Row {
            pairs: &self.pairs.as_chunks().0[index * self.blocks..][..self.blocks],
            scales: &self.scales[index * self.blocks..][..self.blocks],
        }
    }
}
