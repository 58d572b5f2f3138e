//! ARM's 128 bits: eight products at a time.

use std::arch::aarch64::*;

use super::{LANES, sum_of};
use crate::activations::Row;
use crate::bits::cast;
use crate::matrix::{Bits, LEVELS};

const TABLES: [[u8; 16]; 2] = {
    let mut tables = [[0; 16]; 2];
    let mut at = 0;
    while at < 16 {
        let [low, high] = LEVELS[at].to_le_bytes();
        tables[0][at] = low;
        tables[1][at] = high;
        at += 1;
    }
    tables
};

pub fn dot(bits: Bits, codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    // SAFETY: every 64-bit ARM has these instructions.
    unsafe { with_neon(bits, codes, block_scales, x) }
}

#[target_feature(enable = "neon")]
fn with_neon(bits: Bits, codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    let [low, high] = TABLES.map(cast);
    let mut sums = [[vdupq_n_f32(0.0); 2]; 2];
    let blocks = codes.chunks_exact(bits.block_bytes()).zip(block_scales);
    for (index, (codes, &block_scale)) in blocks.enumerate() {
        let side = index % 2;
        let eighth = x.codes[index / 2].as_chunks::<8>().0;
        let at = |place: usize| -> int16x8_t { cast(eighth[place / 2 * 4 + side * 2 + place % 2]) };
        let levels = match bits {
            Bits::Four => {
                let codes: uint8x16_t = cast(*codes.first_chunk::<16>().unwrap_or(&[0; 16]));
                [vandq_u8(codes, vdupq_n_u8(15)), vshrq_n_u8(codes, 4)].map(|codes| {
                    let (low, high) = (vqtbl1q_u8(low, codes), vqtbl1q_u8(high, codes));
                    [vzip1q_u8(low, high), vzip2q_u8(low, high)]
                        .map(|levels| vreinterpretq_s16_u8(levels))
                })
            }
            Bits::Eight => {
                let codes = codes.as_chunks::<16>().0;
                let [one, other] = [0, 1].map(|half| vreinterpretq_s8_u8(cast(codes[half])));
                [
                    [vmovl_s8(vget_low_s8(one)), vmovl_s8(vget_low_s8(other))],
                    [vmovl_high_s8(one), vmovl_high_s8(other)],
                ]
            }
        };
        let scale = vdupq_n_f32(f32::from(block_scale as i8) * x.scales[index]);
        for (lane, [one, other]) in levels.into_iter().enumerate() {
            let sum = vaddq_s32(pairs(one, at(lane)), pairs(other, at(2 + lane)));
            let sum = vmulq_f32(vcvtq_f32_s32(sum), scale);
            sums[side][lane] = vaddq_f32(sums[side][lane], sum);
        }
    }
    let [even, odd] = sums.map(cast::<_, [f32; LANES]>);
    sum_of(even, odd)
}

/// The products of eight, those of neighbours added.
#[inline]
#[target_feature(enable = "neon")]
fn pairs(a: int16x8_t, b: int16x8_t) -> int32x4_t {
    let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
    vpaddq_s32(low, vmull_high_s16(a, b))
}
