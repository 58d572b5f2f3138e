//! Pillow's bicubic resize, byte for byte (`src/libImaging/Resample.c`).
//!
//! In: a side length before and after, and rows of RGB bytes. Out: integer weights and resampled
//! bytes. A difference of one in one byte changes later features by up to 2e-3, so everything is
//! exact: weights in f64 in Pillow's order of operations, rounded to 22-bit fixed point; each of
//! the two passes rounded and clipped to 8 bits.

/// Pillow's `PRECISION_BITS`: 32 bits minus 8 for the result and 2 for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Half a unit: makes the final shift round instead of truncate.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// The source pixels that contribute to one output pixel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Index of the first source pixel.
    pub first: usize,
    /// Fixed-point weights of this pixel and the following ones; their sum is about `1 << 22`.
    pub weights: Vec<i32>,
}

impl Window {
    /// The part of this window inside `begin..begin + length`, counted from `begin`, and the summed
    /// weight of the rest, which is padding.
    pub(super) fn clipped(&self, begin: usize, length: usize) -> (Window, i32) {
        let total: i32 = self.weights.iter().sum();
        let last = (self.first + self.weights.len()).min(begin + length);
        let first = self.first.max(begin);
        let weights = match last.checked_sub(first) {
            Some(count) => self.weights[first - self.first..][..count].to_vec(),
            None => Vec::new(),
        };
        let padding = total - weights.iter().sum::<i32>();
        (
            Window {
                first: if weights.is_empty() { 0 } else { first - begin },
                weights,
            },
            padding,
        )
    }
}

/// Pillow's `precompute_coeffs` and `normalize_coeffs_8bpc` for a side of `from` pixels resized to
/// `to`: one [`Window`] per output pixel.
pub(super) fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let filter_scale = scale.max(1.0); // shrinking widens the filter
    let support = 2.0 * filter_scale;
    let inverse = 1.0 / filter_scale;
    let window = |index: usize| {
        let centre = (index as f64 + 0.5) * scale;
        // `as` truncates towards zero and saturates, like C's cast and Pillow's clamp at 0.
        let first = (centre - support + 0.5) as usize;
        let last = ((centre + support + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..last)
            .map(|x| filter((x as f64 - centre + 0.5) * inverse))
            .collect();
        let sum: f64 = raw.iter().sum();
        let weights = raw
            .iter()
            .map(|w| fixed(if sum != 0.0 { w / sum } else { *w }))
            .collect();
        Window { first, weights }
    };
    (0..to).map(window).collect()
}

/// The cubic filter of Keys with a = -0.5, in Pillow's order of operations.
fn filter(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rounds to fixed point, halves away from zero.
fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

/// Converts a weighted sum of bytes, [`HALF`] included, to a byte.
pub(super) fn clip8(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}
