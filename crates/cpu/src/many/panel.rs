//! Sixteen rows of a matrix as the products of many rows take them.

use super::{PAIRS, PANEL};
use crate::matrix::{Bits, LEVELS, Matrix};

/// Levels of two columns of every row of a panel.
pub type Levels = [[i16; 2]; PANEL];

/// Some rows.
#[derive(Default)]
pub struct Panel {
    /// `[blocks, 16]`.
    pub levels: Vec<[Levels; PAIRS]>,
    /// `[blocks]`: the scale of each row's block, over [`Bits::level_factor`]; 0 where there is no row.
    pub scales: Vec<[f32; PANEL]>,
    /// 0 where there is no row.
    pub row_scales: [f32; PANEL],
}

impl Panel {
    /// The rows of `matrix` from `first` on.
    pub fn set(&mut self, matrix: &Matrix<'_>, first: usize) {
        let count = PANEL.min(matrix.rows() - first);
        self.levels.resize(matrix.blocks, [[[0; 2]; PANEL]; PAIRS]);
        self.scales.resize(matrix.blocks, [0.0; PANEL]);
        if count < PANEL {
            self.levels.fill([[[0; 2]; PANEL]; PAIRS]);
            self.scales.fill([0.0; PANEL]);
        }
        self.row_scales = [0.0; PANEL];
        let factor = 1.0 / matrix.bits.level_factor();
        for row in 0..count {
            let (codes, block_scales, row_scale) = matrix.row(first + row);
            self.row_scales[row] = row_scale;
            for (scales, &scale) in self.scales.iter_mut().zip(block_scales) {
                scales[row] = f32::from(scale as i8) * factor;
            }
            let blocks = self
                .levels
                .iter_mut()
                .zip(codes.chunks_exact(matrix.bits.block_bytes()));
            match matrix.bits {
                Bits::Four => {
                    for (levels, codes) in blocks {
                        for (levels, &byte) in levels.iter_mut().zip(codes) {
                            levels[row] = [
                                LEVELS[usize::from(byte & 15)],
                                LEVELS[usize::from(byte >> 4)],
                            ];
                        }
                    }
                }
                Bits::Eight => {
                    for (levels, codes) in blocks {
                        for (levels, codes) in levels.iter_mut().zip(codes.as_chunks::<2>().0) {
                            levels[row] = codes.map(|code| i16::from(code as i8));
                        }
                    }
                }
            }
        }
    }
}
