//! ARM's 128 bits: two columns of a quarter of the panel at a time.

use std::arch::aarch64::*;

use super::panel::Panel;
use super::rows::{Row, Rows};
use super::{PAIRS, PANEL};
use crate::bits::cast;

/// Rows of activations that are multiplied with a vector while it is loaded.
const TILE: usize = 8;
/// Rows of the matrix in a vector.
const QUARTER: usize = PANEL / 4;

pub fn multiply(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    // SAFETY: every 64-bit ARM has these instructions.
    unsafe { multiply_with_neon(panel, x, products) }
}

#[target_feature(enable = "neon")]
fn multiply_with_neon(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    let (tiles, rest) = products.as_chunks_mut::<TILE>();
    for (tile, products) in tiles.iter_mut().enumerate() {
        let rows = std::array::from_fn(|row| x.row(tile * TILE + row));
        for part in 0..PANEL / QUARTER {
            multiply_tile::<TILE>(panel, part, rows, products);
        }
    }
    let first = x.rows() - rest.len();
    for (row, products) in rest.iter_mut().enumerate() {
        let (x, products) = ([x.row(first + row)], std::array::from_mut(products));
        for part in 0..PANEL / QUARTER {
            multiply_tile::<1>(panel, part, x, products);
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn multiply_tile<const ROWS: usize>(
    panel: &Panel,
    part: usize,
    x: [Row<'_>; ROWS],
    products: &mut [[f32; PANEL]; ROWS],
) {
    let mut sums = [vdupq_n_f32(0.0); ROWS];
    for (block, (levels, scales)) in panel.levels.iter().zip(&panel.scales).enumerate() {
        let pairs = x.map(|x| &x.pairs[block]);
        let mut of_block = [vdupq_n_s32(0); ROWS];
        for pair in 0..PAIRS {
            let levels: int16x8_t = cast(levels[pair].as_chunks::<QUARTER>().0[part]);
            // The first columns of four rows, and their second ones.
            let one = vget_low_s16(vuzp1q_s16(levels, levels));
            let other = vget_low_s16(vuzp2q_s16(levels, levels));
            for row in 0..ROWS {
                let both = pairs[row][pair];
                let sum = vmlal_n_s16(of_block[row], one, both as i16);
                of_block[row] = vmlal_n_s16(sum, other, (both >> 16) as i16);
            }
        }
        let scales = cast(scales.as_chunks::<QUARTER>().0[part]);
        for row in 0..ROWS {
            let scaled = vmulq_f32(vcvtq_f32_s32(of_block[row]), scales);
            let x_scale = vdupq_n_f32(x[row].scales[block]);
            sums[row] = vaddq_f32(sums[row], vmulq_f32(scaled, x_scale));
        }
    }
    let row_scales = cast(panel.row_scales.as_chunks::<QUARTER>().0[part]);
    for (products, sum) in products.iter_mut().zip(sums) {
        products.as_chunks_mut::<QUARTER>().0[part] = cast(vmulq_f32(sum, row_scales));
    }
}
