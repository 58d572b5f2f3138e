//! Without vectors: what all the others must equal.

use super::{LANES, sum_of};
use crate::activations::{PAIR, Row};
use crate::matrix::{BLOCK, Bits, LEVELS};

pub fn dot(bits: Bits, codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
    let mut sums = [[0.0; LANES]; 2];
    let blocks = codes.chunks_exact(bits.block_bytes()).zip(block_scales);
    for (index, (codes, &block_scale)) in blocks.enumerate() {
        let scale = f32::from(block_scale as i8) * x.scales[index];
        let lanes = lanes(&levels(bits, codes), &x.codes[index / 2], index % 2);
        for (sum, lane) in sums[index % 2].iter_mut().zip(lanes) {
            *sum += lane as f32 * scale;
        }
    }
    sum_of(sums[0], sums[1])
}

/// The levels of a block in the order of the activations.
fn levels(bits: Bits, codes: &[u8]) -> [i16; BLOCK] {
    let mut levels = [0; BLOCK];
    match bits {
        Bits::Four => {
            for (at, &byte) in codes.iter().enumerate() {
                let place = at / 8 * 16 + at % 8;
                levels[place] = LEVELS[usize::from(byte & 15)];
                levels[place + 8] = LEVELS[usize::from(byte >> 4)];
            }
        }
        Bits::Eight => {
            for (level, &byte) in levels.iter_mut().zip(codes) {
                *level = i16::from(byte as i8);
            }
        }
    }
    levels
}

/// Lane `l` has the products of places `2 l`, `2 l + 1`, and of those 16 further on.
fn lanes(levels: &[i16; BLOCK], x: &[i16; PAIR], side: usize) -> [i32; LANES] {
    let mut lanes = [0; LANES];
    for place in 0..BLOCK {
        let x = x[place / 16 * BLOCK + side * 16 + place % 16];
        lanes[place % 16 / 2] += i32::from(levels[place]) * i32::from(x);
    }
    lanes
}
