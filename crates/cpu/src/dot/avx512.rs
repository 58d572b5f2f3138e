//! 512 bits: the two blocks of a pair at a time, the even one in the lower half.

use std::arch::x86_64::*;

use super::{LANES, sum_of};
use crate::activations::{PAIR, Row};
use crate::bits::cast;
use crate::matrix::{Bits, LEVELS};

/// Scales of so many blocks are made at once.
const SCALES: usize = 16;

const TABLES: [[u8; 64]; 2] = {
    let mut tables = [[0; 64]; 2];
    let mut at = 0;
    while at < 64 {
        let [low, high] = LEVELS[at % 16].to_le_bytes();
        tables[0][at] = low;
        tables[1][at] = high;
        at += 1;
    }
    tables
};

/// Whether the processor has the instructions of this file.
pub fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
pub fn dot(bits: Bits, codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    match bits {
        Bits::Four => dot_four(codes, block_scales, x),
        Bits::Eight => dot_eight(codes, block_scales, x),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn dot_four(codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    let [low, high]: [__m512i; 2] = TABLES.map(cast);
    let mask = _mm512_set1_epi8(15);
    // Each block's bytes twice, the second time shifted to the high halves.
    let twice = _mm512_setr_epi64(0, 1, 0, 1, 2, 3, 2, 3);
    let shift = _mm512_setr_epi64(0, 0, FOUR, FOUR, 0, 0, FOUR, FOUR);
    let pair = |codes: __m256i, x: &[i16; PAIR]| {
        let codes = _mm512_permutexvar_epi64(twice, _mm512_castsi256_si512(codes));
        let codes = _mm512_and_si512(_mm512_srlv_epi16(codes, shift), mask);
        let (low, high) = (
            _mm512_shuffle_epi8(low, codes),
            _mm512_shuffle_epi8(high, codes),
        );
        let first = _mm512_unpacklo_epi8(low, high);
        let second = _mm512_unpackhi_epi8(low, high);
        let [x0, x1] = halves(x);
        _mm512_add_epi32(_mm512_madd_epi16(first, x0), _mm512_madd_epi16(second, x1))
    };
    let mut sums = _mm512_setzero_ps();
    let parts = codes.chunks(SCALES * 16).zip(block_scales.chunks(SCALES));
    for (index, (codes, block_scales)) in parts.enumerate() {
        let scales = scales(block_scales, &x.scales[index * SCALES..]);
        let pairs = &x.codes[index * SCALES / 2..];
        let (whole, rest) = codes.as_chunks::<32>();
        for (at, codes) in whole.iter().enumerate() {
            sums = add(sums, pair(cast(*codes), &pairs[at]), scales, at);
        }
        if let Some(codes) = rest.first_chunk::<16>() {
            let at = whole.len();
            // The missing block's scale is 0.
            let codes = _mm256_zextsi128_si256(cast(*codes));
            sums = add(sums, pair(codes, &pairs[at]), scales, at);
        }
    }
    total(sums)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn dot_eight(codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    let half = |codes: &[u8; 16]| _mm256_cvtepi8_epi16(cast(*codes));
    let both = |first, second| _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
    let mut sums = _mm512_setzero_ps();
    let parts = codes.chunks(SCALES * 32).zip(block_scales.chunks(SCALES));
    for (index, (codes, block_scales)) in parts.enumerate() {
        let scales = scales(block_scales, &x.scales[index * SCALES..]);
        let pairs = &x.codes[index * SCALES / 2..];
        for (at, codes) in codes.chunks(64).enumerate() {
            let codes = codes.as_chunks::<16>().0;
            // The missing block's scale is 0.
            let zero = [0; 16];
            let of = |part: usize| half(codes.get(part).unwrap_or(&zero));
            let [x0, x1] = halves(&pairs[at]);
            let block = _mm512_add_epi32(
                _mm512_madd_epi16(both(of(0), of(2)), x0),
                _mm512_madd_epi16(both(of(1), of(3)), x1),
            );
            sums = add(sums, block, scales, at);
        }
    }
    total(sums)
}

const FOUR: i64 = 0x0004_0004_0004_0004;

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn halves(x: &[i16; PAIR]) -> [__m512i; 2] {
    let halves = x.as_chunks::<32>().0;
    [0, 1].map(|half| cast(halves[half]))
}

/// What each block's sums are multiplied with; 0 where there is no block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn scales(block_scales: &[u8], scales: &[f32]) -> __m512 {
    let (mut of_blocks, mut of_x) = ([0_u8; SCALES], [0.0_f32; SCALES]);
    let count = block_scales.len();
    of_blocks[..count].copy_from_slice(block_scales);
    of_x[..count].copy_from_slice(&scales[..count]);
    let of_blocks = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(cast(of_blocks)));
    _mm512_mul_ps(of_blocks, cast(of_x))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn add(sums: __m512, pair: __m512i, scales: __m512, at: usize) -> __m512 {
    let which = _mm512_add_epi32(
        _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
        _mm512_set1_epi32(2 * at as i32),
    );
    let scale = _mm512_permutexvar_ps(which, scales);
    _mm512_add_ps(sums, _mm512_mul_ps(_mm512_cvtepi32_ps(pair), scale))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn total(sums: __m512) -> f32 {
    let [even, odd] = cast::<_, [[f32; LANES]; 2]>(sums);
    sum_of(even, odd)
}
