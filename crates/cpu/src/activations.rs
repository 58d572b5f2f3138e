//! Rows of f32, rounded to 16 bits.

use crate::matrix::{BLOCK, Bits};

/// The largest code.
const MOST: f32 = 32767.0;
/// Blocks whose values are all smaller are zeros: their products are too small to be seen beside any others.
const LEAST: f32 = 1e-30;
/// Added and subtracted, this rounds a number below 2^22 to the nearest whole one, ties to even.
const ROUND: f32 = 12_582_912.0;
/// Codes of two blocks, which lie together.
pub(crate) const PAIR: usize = 2 * BLOCK;

/// Rows of activations for matrices of one kind of codes.
///
/// The codes of two blocks are side by side, so that one instruction takes half of both: the first sixteen of the first, the
/// first sixteen of the second, then the others. For codes of 4 bits the columns of a block come in the order of the low halves of
/// the bytes and of the high ones: `0 2 … 14, 1 3 … 15`, then `16 18 … 30, 17 19 … 31`.
#[derive(Debug, Clone, Default)]
pub struct Activations {
    /// `[rows, pairs, 64]`.
    codes: Vec<i16>,
    /// `[rows, 2 * pairs]`: what a code and a level, times [`Bits::level_factor`], are multiplied with. NaN where a value was
    /// not finite, so that all products are NaN.
    scales: Vec<f32>,
    pairs: usize,
    rows: usize,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub codes: &'a [[i16; PAIR]],
    pub scales: &'a [f32],
}

/// Where each place of a block's order comes from.
const fn order(bits: Bits) -> [usize; BLOCK] {
    let mut order = [0; BLOCK];
    let mut place = 0;
    while place < BLOCK {
        order[place] = match bits {
            // Byte i of the codes has columns 2 i and 2 i + 1.
            Bits::Four => {
                let (half, within) = (place / 16, place % 16);
                16 * half + 2 * (within % 8) + within / 8
            }
            Bits::Eight => place,
        };
        place += 1;
    }
    order
}

const ORDERS: [[usize; BLOCK]; 2] = [order(Bits::Four), order(Bits::Eight)];

impl Activations {
    /// Rounds `x` `[rows, columns]` for matrices of `bits`, in the place of what was here.
    pub fn set(&mut self, x: &[f32], columns: usize, bits: Bits) {
        let blocks = columns / BLOCK;
        self.pairs = blocks.div_ceil(2);
        self.rows = x.len() / columns;
        self.codes.clear();
        self.codes.resize(self.rows * self.pairs * PAIR, 0);
        self.scales.clear();
        self.scales.resize(self.rows * self.pairs * 2, 0.0);
        let order = &ORDERS[usize::from(bits == Bits::Eight)];
        let codes = self.codes.chunks_exact_mut(self.pairs * PAIR);
        let scales = self.scales.chunks_exact_mut(self.pairs * 2);
        for ((x, codes), scales) in x.chunks_exact(columns).zip(codes).zip(scales) {
            for (index, x) in x.as_chunks::<BLOCK>().0.iter().enumerate() {
                let (rounded, scale) = rounded(x);
                scales[index] = scale / bits.level_factor();
                let place = index / 2 * PAIR + index % 2 * 16;
                let (first, second) = codes[place..].split_at_mut(PAIR / 2);
                for at in 0..16 {
                    first[at] = rounded[order[at]];
                    second[at] = rounded[order[16 + at]];
                }
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn row(&self, index: usize) -> Row<'_> {
        let codes = self.codes.as_chunks().0;
        Row {
            codes: &codes[index * self.pairs..][..self.pairs],
            scales: &self.scales[index * 2 * self.pairs..][..2 * self.pairs],
        }
    }
}

/// The scale of a block's codes: NaN where a value is not finite, 0 where all are too small.
#[inline]
pub(crate) fn scale_of(x: &[f32; BLOCK]) -> f32 {
    // As whole numbers, magnitudes have the order of the numbers, with those that are none beyond all others.
    let most = x
        .iter()
        .fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff));
    match f32::from_bits(most) {
        most if !most.is_finite() => f32::NAN,
        most if most < LEAST => 0.0,
        most => most / MOST,
    }
}

/// A block's codes, in the order of its columns, and their scale.
#[inline]
pub(crate) fn rounded(x: &[f32; BLOCK]) -> ([i16; BLOCK], f32) {
    let scale = scale_of(x);
    if scale == 0.0 || scale.is_nan() {
        return ([0; BLOCK], scale);
    }
    let factor = 1.0 / scale;
    let code = |x: &f32| {
        let rounded = x * factor + ROUND;
        (rounded.to_bits() as i32 - ROUND.to_bits() as i32) as i16
    };
    let mut codes = [0; BLOCK];
    for (to, x) in codes.iter_mut().zip(x) {
        *to = code(x);
    }
    (codes, scale)
}
