//! WebAssembly's 128 bits: two columns of a quarter of the panel at a time.

use std::arch::wasm32::*;

use super::panel::Panel;
use super::rows::{Row, Rows};
use super::{PAIRS, PANEL};
use crate::bits::cast;

/// Rows of activations that are multiplied with a vector while it is loaded.
const TILE: usize = 4;
/// Rows of the matrix in a vector.
const QUARTER: usize = PANEL / 4;

pub fn multiply(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    let (tiles, rest) = products.as_chunks_mut::<TILE>();
    for (tile, products) in tiles.iter_mut().enumerate() {
        let rows = std::array::from_fn(|row| x.row(tile * TILE + row));
        (0..PANEL / QUARTER).for_each(|part| multiply_tile::<TILE>(panel, part, rows, products));
    }
    let first = x.rows() - rest.len();
    for (row, products) in rest.iter_mut().enumerate() {
        let (x, products) = ([x.row(first + row)], std::array::from_mut(products));
        (0..PANEL / QUARTER).for_each(|part| multiply_tile::<1>(panel, part, x, products));
    }
}

#[inline]
fn multiply_tile<const ROWS: usize>(
    panel: &Panel,
    part: usize,
    x: [Row<'_>; ROWS],
    products: &mut [[f32; PANEL]; ROWS],
) {
    let mut sums = [f32x4_splat(0.0); ROWS];
    for (block, (levels, scales)) in panel.levels.iter().zip(&panel.scales).enumerate() {
        let pairs = x.map(|x| &x.pairs[block]);
        let mut of_block = [i32x4_splat(0); ROWS];
        for pair in 0..PAIRS {
            let levels = cast(levels[pair].as_chunks::<QUARTER>().0[part]);
            for row in 0..ROWS {
                let both = u32x4_splat(pairs[row][pair]);
                of_block[row] = i32x4_add(of_block[row], i32x4_dot_i16x8(levels, both));
            }
        }
        let scales = cast(scales.as_chunks::<QUARTER>().0[part]);
        for row in 0..ROWS {
            let scaled = f32x4_mul(f32x4_convert_i32x4(of_block[row]), scales);
            let x_scale = f32x4_splat(x[row].scales[block]);
            sums[row] = f32x4_add(sums[row], f32x4_mul(scaled, x_scale));
        }
    }
    let row_scales = cast(panel.row_scales.as_chunks::<QUARTER>().0[part]);
    for (products, sum) in products.iter_mut().zip(sums) {
        products.as_chunks_mut::<QUARTER>().0[part] = cast(f32x4_mul(sum, row_scales));
    }
}
