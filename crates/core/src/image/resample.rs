//! The two passes of Pillow's resize, byte for byte (`src/libImaging/Resample.c`).
//!
//! In: a filter, a side length before and after, and rows of RGB bytes. Out: integer weights and
//! resampled bytes. This module must not know which pictures are resized, or what lies around them.
//! A difference of one in one byte changes later features by up to 2e-3, so everything is
//! exact: weights in f64 in Pillow's order of operations, rounded to 22-bit fixed point; each of
//! the two passes rounded and clipped to 8 bits.

use std::f64::consts::PI;
use std::ops::Range;

use crate::error::Result;
use crate::progress::StopFlag;

/// Pillow's `PRECISION_BITS`: 32 bits minus 8 for the result and 2 for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;
/// Half a unit: makes the final shift round instead of truncate.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// How the source pixels around a position are weighted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// The triangle, `1 - |x|` (`resample` 2 of a processor).
    Bilinear,
    /// The cubic of Keys with a = -0.5: CLIP's and SigLIP's processors (`resample` 3).
    Bicubic,
    /// `sinc(x) sinc(x / 3)`: the processors of Idefics3 and SmolVLM (`resample` 1).
    Lanczos,
}

impl Filter {
    /// How far the filter reaches, in source pixels where a side is enlarged.
    fn support(self) -> f64 {
        match self {
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The weight at a distance of `x`, in Pillow's order of operations.
    fn weight(self, x: f64) -> f64 {
        match self {
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Bicubic => cubic(x),
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

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
/// `to`: one [`Window`] per output pixel of `part`, which is within `0..to`.
pub(super) fn windows(filter: Filter, from: usize, to: usize, part: Range<usize>) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let filter_scale = scale.max(1.0); // shrinking widens the filter
    let support = filter.support() * filter_scale;
    let inverse = 1.0 / filter_scale;
    let window = |index: usize| {
        let centre = (index as f64 + 0.5) * scale;
        // `as` truncates towards zero and saturates, like C's cast and Pillow's clamp at 0.
        let first = (centre - support + 0.5) as usize;
        let last = ((centre + support + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..last)
            .map(|x| filter.weight((x as f64 - centre + 0.5) * inverse))
            .collect();
        let sum: f64 = raw.iter().sum();
        let weights = raw
            .iter()
            .map(|w| fixed(if sum != 0.0 { w / sum } else { *w }))
            .collect();
        Window { first, weights }
    };
    part.map(window).collect()
}

/// The pass across: one row, `[width, 3]`, to `[windows, 3]`. Each window comes with its total
/// weight on pixels beside the row, which all have the colour `beside`.
pub(super) fn across(row: &[u8], windows: &[(Window, i32)], beside: [u8; 3], out: &mut [u8]) {
    for ((window, rest), pixel) in windows.iter().zip(out.chunks_exact_mut(3)) {
        let mut sums = beside.map(|colour| HALF + i32::from(colour) * rest);
        let source = row.get(window.first * 3..).unwrap_or_default();
        for (rgb, &weight) in source.chunks_exact(3).zip(&window.weights) {
            for (sum, &byte) in sums.iter_mut().zip(rgb) {
                *sum += i32::from(byte) * weight;
            }
        }
        for (byte, sum) in pixel.iter_mut().zip(sums) {
            *byte = clip8(sum);
        }
    }
}

/// The pass down: rows of `line` bytes, by their index, to `[windows, line]`. One whole row of sums
/// at a time, since a column's bytes lie far apart.
///
/// # Errors
/// [`crate::Error::Stopped`].
pub(super) fn down<'a>(
    row: impl Fn(usize) -> &'a [u8],
    windows: &[Window],
    line: usize,
    stop: &StopFlag,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(windows.len() * line);
    let mut sums = vec![0_i32; line];
    for window in windows {
        stop.check()?;
        sums.fill(HALF);
        for (y, &weight) in (window.first..).zip(&window.weights) {
            for (sum, &byte) in sums.iter_mut().zip(row(y)) {
                *sum += i32::from(byte) * weight;
            }
        }
        out.extend(sums.iter().map(|&sum| clip8(sum)));
    }
    Ok(out)
}

/// The cubic filter of Keys with a = -0.5.
fn cubic(x: f64) -> f64 {
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

/// `sin(pi x) / (pi x)`. Systems' sines may differ in the last of 53 bits, which 22 of a weight do not show.
fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
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
fn clip8(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}
