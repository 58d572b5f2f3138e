//! 256 bits: two columns of half of the panel at a time.

use std::arch::x86_64::*;

use super::panel::Panel;
use super::rows::{Row, Rows};
use super::{PAIRS, PANEL};
use crate::bits::cast;

/// Rows of activations that are multiplied with a vector while it is loaded.
const TILE: usize = 4;
/// Rows of the matrix in a vector.
const HALF: usize = PANEL / 2;

#[target_feature(enable = "avx2")]
pub fn multiply(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    let (tiles, rest) = products.as_chunks_mut::<TILE>();
    for (tile, products) in tiles.iter_mut().enumerate() {
        let rows = std::array::from_fn(|row| x.row(tile * TILE + row));
        multiply_tile::<0, TILE>(panel, rows, products);
        multiply_tile::<1, TILE>(panel, rows, products);
    }
    let first = x.rows() - rest.len();
    for (row, products) in rest.iter_mut().enumerate() {
        let (x, products) = ([x.row(first + row)], std::array::from_mut(products));
        multiply_tile::<0, 1>(panel, x, products);
        multiply_tile::<1, 1>(panel, x, products);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn multiply_tile<const SIDE: usize, const ROWS: usize>(
    panel: &Panel,
    x: [Row<'_>; ROWS],
    products: &mut [[f32; PANEL]; ROWS],
) {
    let mut sums = [_mm256_setzero_ps(); ROWS];
    for (block, (levels, scales)) in panel.levels.iter().zip(&panel.scales).enumerate() {
        let pairs = x.map(|x| &x.pairs[block]);
        let mut of_block = [_mm256_setzero_si256(); ROWS];
        for pair in 0..PAIRS {
            let levels = cast(levels[pair].as_chunks::<HALF>().0[SIDE]);
            for row in 0..ROWS {
                let both = _mm256_set1_epi32(pairs[row][pair] as i32);
                of_block[row] = _mm256_add_epi32(of_block[row], _mm256_madd_epi16(levels, both));
            }
        }
        let scales = cast(scales.as_chunks::<HALF>().0[SIDE]);
        for row in 0..ROWS {
            let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(of_block[row]), scales);
            let x_scale = _mm256_set1_ps(x[row].scales[block]);
            sums[row] = _mm256_add_ps(sums[row], _mm256_mul_ps(scaled, x_scale));
        }
    }
    let row_scales = cast(panel.row_scales.as_chunks::<HALF>().0[SIDE]);
    for (products, sum) in products.iter_mut().zip(sums) {
        products.as_chunks_mut::<HALF>().0[SIDE] = cast(_mm256_mul_ps(sum, row_scales));
    }
}
