//! WebAssembly's 128 bits: eight products at a time.

use std::arch::wasm32::*;

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
    let [low, high] = TABLES.map(cast);
    let mask = u8x16_splat(15);
    let mut sums = [[f32x4_splat(0.0); 2]; 2];
    let blocks = codes.chunks_exact(bits.block_bytes()).zip(block_scales);
    for (index, (codes, &block_scale)) in blocks.enumerate() {
        let side = index % 2;
        let eighth = x.codes[index / 2].as_chunks::<8>().0;
        let at = |place: usize| -> v128 { cast(eighth[place / 2 * 4 + side * 2 + place % 2]) };
        let [first, second] = match bits {
            Bits::Four => {
                let codes: v128 = cast(*codes.first_chunk::<16>().unwrap_or(&[0; 16]));
                [v128_and(codes, mask), u8x16_shr(codes, 4)].map(|codes| {
                    let (low, high) = (u8x16_swizzle(low, codes), u8x16_swizzle(high, codes));
                    [
                        u8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(low, high),
                        u8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(low, high),
                    ]
                })
            }
            Bits::Eight => {
                let codes = codes.as_chunks::<16>().0;
                let [one, other] = [0, 1].map(|half| cast(codes[half]));
                [
                    [i16x8_extend_low_i8x16(one), i16x8_extend_low_i8x16(other)],
                    [i16x8_extend_high_i8x16(one), i16x8_extend_high_i8x16(other)],
                ]
            }
        };
        let scale = f32x4_splat(f32::from(block_scale as i8) * x.scales[index]);
        for (lane, [one, other]) in [first, second].into_iter().enumerate() {
            let sum = i32x4_add(
                i32x4_dot_i16x8(one, at(lane)),
                i32x4_dot_i16x8(other, at(2 + lane)),
            );
            let sum = f32x4_mul(f32x4_convert_i32x4(sum), scale);
            sums[side][lane] = f32x4_add(sums[side][lane], sum);
        }
    }
    let [even, odd] = sums.map(cast::<_, [f32; LANES]>);
    sum_of(even, odd)
}
