//! The inverse DCT of libjpeg (`jidctint.c`), bit for bit.
//!
//! In: coefficients and quantizers, row by row. Out: 64 samples. Arithmetic wraps for absurd values
//! in a file.

use std::num::Wrapping;
use std::ops::{Add, Mul, Sub};

type Number = Wrapping<i32>;

const FRACTION_BITS: usize = 13;
/// Fraction bits that the first pass keeps.
const KEPT_BITS: usize = 2;

/// A constant in fixed point.
const fn fixed(value: f64) -> Number {
    Wrapping((value * (1 << FRACTION_BITS) as f64 + 0.5) as i32)
}

/// Eight numbers, processed together.
#[derive(Clone, Copy)]
struct Eight([Number; 8]);

impl Eight {
    /// The value of `of` for each index.
    #[inline(always)]
    fn from_fn(of: impl FnMut(usize) -> Number) -> Self {
        Eight(std::array::from_fn(of))
    }

    /// Rounds away `bits` bits of fraction, halves upwards.
    #[inline(always)]
    fn rounded(self, bits: usize) -> Self {
        Eight(self.0.map(|sum| (sum + Wrapping(1 << (bits - 1))) >> bits))
    }
}

impl Add for Eight {
    type Output = Eight;
    #[inline(always)]
    fn add(self, other: Eight) -> Eight {
        Eight::from_fn(|at| self.0[at] + other.0[at])
    }
}

impl Sub for Eight {
    type Output = Eight;
    #[inline(always)]
    fn sub(self, other: Eight) -> Eight {
        Eight::from_fn(|at| self.0[at] - other.0[at])
    }
}

impl Mul<Number> for Eight {
    type Output = Eight;
    #[inline(always)]
    fn mul(self, factor: Number) -> Eight {
        Eight(self.0.map(|value| value * factor))
    }
}

/// Writes the samples of a block to the rows of `plane`, `stride` apart.
pub(super) fn samples(block: &[i16; 64], quantisers: &[u16; 64], plane: &mut [u8], stride: usize) {
    let scaled = |at: usize| Wrapping(i32::from(block[at])) * Wrapping(i32::from(quantisers[at]));
    let clamped = |value: Number| value.0.wrapping_add(128).clamp(0, 255) as u8;
    if block[1..].iter().fold(0, |any, &value| any | value) == 0 {
        let Eight(row) = Eight([scaled(0); 8]).rounded(3);
        for line in plane.chunks_mut(stride).take(8) {
            line[..8].fill(clamped(row[0]));
        }
        return;
    }
    // All columns at once, then all rows.
    let rows = std::array::from_fn(|y| Eight::from_fn(|x| scaled(8 * y + x)));
    let columns = pass(rows).map(|row| row.rounded(FRACTION_BITS - KEPT_BITS));
    let columns = pass(turned(columns)).map(|row| row.rounded(FRACTION_BITS + KEPT_BITS + 3));
    for (line, row) in plane.chunks_mut(stride).zip(turned(columns)) {
        line[..8].copy_from_slice(&row.0.map(clamped));
    }
}

/// The transpose.
#[inline(always)]
fn turned(rows: [Eight; 8]) -> [Eight; 8] {
    std::array::from_fn(|x| Eight::from_fn(|y| rows[y].0[x]))
}

/// The 8-point inverse DCT of eight columns at once, times 2^13 (Loeffler, Ligtenberg and Moschytz,
/// 1989).
#[inline(always)]
fn pass(c: [Eight; 8]) -> [Eight; 8] {
    let whole = Wrapping(1 << FRACTION_BITS);
    let half = (c[2] + c[6]) * fixed(0.541196100);
    let even2 = half - c[6] * fixed(1.847759065);
    let even3 = half + c[2] * fixed(0.765366865);
    let even0 = (c[0] + c[4]) * whole;
    let even1 = (c[0] - c[4]) * whole;
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let [t0, t1, t2, t3] = [c[7], c[5], c[3], c[1]];
    let z5 = (t0 + t2 + t1 + t3) * fixed(1.175875602);
    let z1 = (t0 + t3) * fixed(0.899976223);
    let z2 = (t1 + t2) * fixed(2.562915447);
    let z3 = z5 - (t0 + t2) * fixed(1.961570560);
    let z4 = z5 - (t1 + t3) * fixed(0.390180644);
    let odd = [
        t3 * fixed(1.501321110) - z1 + z4,
        t2 * fixed(3.072711026) - z2 + z3,
        t1 * fixed(2.053119869) - z2 + z4,
        t0 * fixed(0.298631336) - z1 + z3,
    ];
    [
        even[0] + odd[0],
        even[1] + odd[1],
        even[2] + odd[2],
        even[3] + odd[3],
        even[3] - odd[3],
        even[2] - odd[2],
        even[1] - odd[1],
        even[0] - odd[0],
    ]
}
