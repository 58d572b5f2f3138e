//! 256 bits: a block at a time.

use std::arch::x86_64::*;

use super::sum_of;
use crate::activations::Row;
use crate::bits::cast;
use crate::matrix::{Bits, LEVELS};

/// The low and the high bytes of the levels, twice each.
const TABLES: [[u8; 32]; 2] = {
    let mut tables = [[0; 32]; 2];
    let mut at = 0;
    while at < 32 {
        let [low, high] = LEVELS[at % 16].to_le_bytes();
        tables[0][at] = low;
        tables[1][at] = high;
        at += 1;
    }
    tables
};

#[target_feature(enable = "avx2")]
pub fn dot(bits: Bits, codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    match bits {
        Bits::Four => dot_four(codes, block_scales, x),
        Bits::Eight => dot_eight(codes, block_scales, x),
    }
}

#[target_feature(enable = "avx2")]
fn dot_four(codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    let [low, high] = TABLES.map(cast);
    let mask = _mm256_set1_epi8(15);
    let block = |codes: &[u8; 16], x: [__m256i; 2]| {
        let codes: __m128i = cast(*codes);
        let both = _mm256_set_m128i(_mm_srli_epi16(codes, 4), codes);
        let both = _mm256_and_si256(both, mask);
        let (low, high) = (
            _mm256_shuffle_epi8(low, both),
            _mm256_shuffle_epi8(high, both),
        );
        let first = _mm256_unpacklo_epi8(low, high);
        let second = _mm256_unpackhi_epi8(low, high);
        _mm256_add_epi32(
            _mm256_madd_epi16(first, x[0]),
            _mm256_madd_epi16(second, x[1]),
        )
    };
    let mut sums = [_mm256_setzero_ps(); 2];
    for (index, (codes, &scale)) in codes
        .as_chunks::<16>()
        .0
        .iter()
        .zip(block_scales)
        .enumerate()
    {
        let sum = block(codes, halves(&x, index));
        add(&mut sums[index % 2], sum, scale, x.scales[index]);
    }
    total(sums)
}

#[target_feature(enable = "avx2")]
fn dot_eight(codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    let mut sums = [_mm256_setzero_ps(); 2];
    for (index, (codes, &scale)) in codes
        .as_chunks::<32>()
        .0
        .iter()
        .zip(block_scales)
        .enumerate()
    {
        let codes = codes.as_chunks::<16>().0;
        let [first, second] = [0, 1].map(|half| _mm256_cvtepi8_epi16(cast(codes[half])));
        let halves = halves(&x, index);
        let sum = _mm256_add_epi32(
            _mm256_madd_epi16(first, halves[0]),
            _mm256_madd_epi16(second, halves[1]),
        );
        add(&mut sums[index % 2], sum, scale, x.scales[index]);
    }
    total(sums)
}

/// The activations of block `index`.
#[inline]
#[target_feature(enable = "avx2")]
fn halves(x: &Row<'_>, index: usize) -> [__m256i; 2] {
    let pair = x.codes[index / 2].as_chunks::<16>().0;
    let side = index % 2;
    [pair[side], pair[2 + side]].map(cast)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(sums: &mut __m256, block: __m256i, block_scale: u8, scale: f32) {
    let scale = _mm256_set1_ps(f32::from(block_scale as i8) * scale);
    *sums = _mm256_add_ps(*sums, _mm256_mul_ps(_mm256_cvtepi32_ps(block), scale));
}

#[inline]
#[target_feature(enable = "avx2")]
fn total(sums: [__m256; 2]) -> f32 {
    let [even, odd] = sums.map(cast);
    sum_of(even, odd)
}
