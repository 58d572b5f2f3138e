//! 512 bits: two columns of the whole panel at a time.

use std::arch::x86_64::*;

use super::panel::Panel;
use super::rows::{Row, Rows};
use super::{PAIRS, PANEL};
use crate::bits::cast;

/// Rows of activations that are multiplied with a vector while it is loaded.
const TILE: usize = 8;

/// With the instruction that multiplies and adds at once.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2")]
pub fn multiply_vnni(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    let (tiles, rest) = products.as_chunks_mut::<TILE>();
    for (tile, products) in tiles.iter_mut().enumerate() {
        let rows = std::array::from_fn(|row| x.row(tile * TILE + row));
        multiply_tile_vnni(panel, rows, products);
    }
    let first = x.rows() - rest.len();
    for (row, products) in rest.iter_mut().enumerate() {
        multiply_tile_vnni(panel, [x.row(first + row)], std::array::from_mut(products));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
pub fn multiply(panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
    let (tiles, rest) = products.as_chunks_mut::<TILE>();
    for (tile, products) in tiles.iter_mut().enumerate() {
        let rows = std::array::from_fn(|row| x.row(tile * TILE + row));
        multiply_tile(panel, rows, products);
    }
    let first = x.rows() - rest.len();
    for (row, products) in rest.iter_mut().enumerate() {
        multiply_tile(panel, [x.row(first + row)], std::array::from_mut(products));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2")]
fn multiply_tile_vnni<const ROWS: usize>(
    panel: &Panel,
    x: [Row<'_>; ROWS],
    products: &mut [[f32; PANEL]; ROWS],
) {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (block, (levels, scales)) in panel.levels.iter().zip(&panel.scales).enumerate() {
        let pairs = x.map(|x| &x.pairs[block]);
        let mut of_block = [_mm512_setzero_si512(); ROWS];
        for pair in 0..PAIRS {
            let levels = cast(levels[pair]);
            for row in 0..ROWS {
                let both = _mm512_set1_epi32(pairs[row][pair] as i32);
                of_block[row] = _mm512_dpwssd_epi32(of_block[row], levels, both);
            }
        }
        add(&mut sums, of_block, scales, x.map(|x| x.scales[block]));
    }
    store(products, sums, &panel.row_scales);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn multiply_tile<const ROWS: usize>(
    panel: &Panel,
    x: [Row<'_>; ROWS],
    products: &mut [[f32; PANEL]; ROWS],
) {
    let mut sums = [_mm512_setzero_ps(); ROWS];
    for (block, (levels, scales)) in panel.levels.iter().zip(&panel.scales).enumerate() {
        let pairs = x.map(|x| &x.pairs[block]);
        let mut of_block = [_mm512_setzero_si512(); ROWS];
        for pair in 0..PAIRS {
            let levels = cast(levels[pair]);
            for row in 0..ROWS {
                let both = _mm512_set1_epi32(pairs[row][pair] as i32);
                of_block[row] = _mm512_add_epi32(of_block[row], _mm512_madd_epi16(levels, both));
            }
        }
        add(&mut sums, of_block, scales, x.map(|x| x.scales[block]));
    }
    store(products, sums, &panel.row_scales);
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn add<const ROWS: usize>(
    sums: &mut [__m512; ROWS],
    of_block: [__m512i; ROWS],
    scales: &[f32; PANEL],
    x_scales: [f32; ROWS],
) {
    let scales = cast(*scales);
    for row in 0..ROWS {
        let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(of_block[row]), scales);
        sums[row] = _mm512_add_ps(
            sums[row],
            _mm512_mul_ps(scaled, _mm512_set1_ps(x_scales[row])),
        );
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn store<const ROWS: usize>(
    products: &mut [[f32; PANEL]; ROWS],
    sums: [__m512; ROWS],
    row_scales: &[f32; PANEL],
) {
    let row_scales = cast(*row_scales);
    for (products, sum) in products.iter_mut().zip(sums) {
        *products = cast(_mm512_mul_ps(sum, row_scales));
    }
}
