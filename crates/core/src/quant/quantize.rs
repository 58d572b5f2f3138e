//! Finds the codes and scales that approximate weights best.

use super::levels::{BLOCK, Quant, level_q4};
use crate::error::Result;

/// The largest block scale.
const SCALE_STEPS: f32 = 127.0;

impl Quant {
    /// Quantises `values` `[rows, columns]`, which are finite, to the layout of [`Quant::layout`].
    ///
    /// # Errors
    /// The errors of [`Quant::layout`].
    pub fn quantize(self, values: &[f32], columns: usize) -> Result<Vec<u8>> {
        let rows = values.len() / columns.max(1);
        let layout = self.layout(rows, columns)?;
        let mut bytes = vec![0; layout.bytes()];
        let (codes, rest) = bytes.split_at_mut(layout.codes);
        let (block_scales, row_scales) = rest.split_at_mut(layout.block_scales);
        self.quantize_into(values, columns, codes, block_scales, row_scales);
        Ok(bytes)
    }

    /// The same, with separate destinations for the three parts. Rows beyond the space available
    /// are omitted.
    pub fn quantize_into(
        self,
        values: &[f32],
        columns: usize,
        codes: &mut [u8],
        block_scales: &mut [u8],
        row_scales: &mut [u8],
    ) {
        let rows = values
            .chunks_exact(columns)
            .zip(codes.chunks_exact_mut(columns / 8 * self.bits()))
            .zip(block_scales.chunks_exact_mut(columns / BLOCK))
            .zip(row_scales.as_chunks_mut().0);
        for (((values, codes), block_scales), row_scale) in rows {
            *row_scale = self.quantize_row(values, codes, block_scales).to_le_bytes();
        }
    }

    fn quantize_row(self, values: &[f32], codes: &mut [u8], block_scales: &mut [u8]) -> f32 {
        let blocks = || values.as_chunks::<BLOCK>().0.iter();
        let scales: Vec<f32> = match self {
            Quant::Q4 => blocks().map(best_scale_q4).collect(),
            Quant::Q8 => blocks().map(|block| largest(block).abs() / 127.0).collect(),
        };
        let row_scale = scales
            .iter()
            .fold(0.0, |most: f32, scale| most.max(scale.abs()))
            / SCALE_STEPS;
        // Too small to divide by: the row is treated as zero.
        if !row_scale.is_normal() {
            codes.fill(if self == Quant::Q4 { 0x88 } else { 0 });
            return 0.0;
        }
        let code_bytes = codes.len() / scales.len();
        let each = blocks().zip(scales).zip(codes.chunks_exact_mut(code_bytes));
        for (((block, scale), codes), block_scale) in each.zip(block_scales) {
            let steps = scale / row_scale;
            let steps = match self {
                Quant::Q4 => steps.round(),
                // Rounded up, so that no weight is clipped.
                Quant::Q8 => steps.ceil().min(SCALE_STEPS),
            };
            *block_scale = steps as i8 as u8;
            let scale = row_scale * steps;
            match self {
                Quant::Q4 => {
                    let nearest = nearest_q4(block, scale);
                    for (byte, pair) in codes.iter_mut().zip(nearest.as_chunks::<2>().0) {
                        *byte = pair[0] | pair[1] << 4;
                    }
                }
                Quant::Q8 => {
                    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
                    for (byte, value) in codes.iter_mut().zip(block) {
                        *byte = (value * inverse).round().clamp(-127.0, 127.0) as i8 as u8;
                    }
                }
            }
        }
        row_scale
    }
}

/// The midpoint between each level and the next, and the difference between the two.
const STEPS_Q4: [(f32, f32); 15] = {
    let mut steps = [(0.0, 0.0); 15];
    let mut code = 0;
    while code < 15 {
        let (low, high) = (level_q4(code), level_q4(code + 1));
        steps[code as usize] = ((low + high) / 2.0, high - low);
        code += 1;
    }
    steps
};

/// The codes of the levels that are nearest to the weights divided by `scale`.
fn nearest_q4(block: &[f32; BLOCK], scale: f32) -> [u8; BLOCK] {
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    let mut codes = [0; BLOCK];
    for (limit, _) in STEPS_Q4 {
        for (code, value) in codes.iter_mut().zip(block) {
            *code += u8::from(value * inverse > limit);
        }
    }
    codes
}

/// The weight with the largest magnitude.
fn largest(block: &[f32; BLOCK]) -> f32 {
    let larger = |a: f32, &b: &f32| if b.abs() > a.abs() { b } else { a };
    block.iter().fold(0.0, larger)
}

/// The scale with the smallest squared error. Candidates put the largest weight at either end of
/// the levels, inside or slightly beyond it; for the resulting levels the best scale is then
/// computed.
fn best_scale_q4(block: &[f32; BLOCK]) -> f32 {
    let largest = largest(block);
    if !largest.is_normal() {
        return 0.0;
    }
    // Normalised so that no square overflows.
    let block = block.map(|value| value / largest);
    let (mut best, mut most) = (0.0, 0.0);
    for end in [level_q4(0), level_q4(15)] {
        for reach in REACHES {
            let (with_weights, own) = products_q4(&block, end / reach);
            // The best scale for these levels reduces the squared error by `with_weights² / own`.
            let gain = with_weights * with_weights / own;
            if gain > most {
                (best, most) = (with_weights / own, gain);
            }
        }
    }
    best * largest
}

/// Weights that are compared with the steps side by side. Of 8, LLVM makes no vectors for wasm, which then takes 3.5 times as
/// long; of 32, a processor with 16 registers takes a quarter longer.
const LANES: usize = if cfg!(target_arch = "wasm32") { 32 } else { 8 };

/// For the levels nearest to the weights times `inverse`: their dot products with the weights, and
/// with themselves. This is the innermost loop of a conversion, so it is written for vectors.
fn products_q4(block: &[f32; BLOCK], inverse: f32) -> (f32, f32) {
    let (mut with_weights, mut own) = ([0.0; 8], [0.0; 8]);
    for values in block.as_chunks::<LANES>().0 {
        let mut levels = [level_q4(0); LANES];
        for (limit, step) in STEPS_Q4 {
            for (level, value) in levels.iter_mut().zip(values) {
                *level += if value * inverse > limit { step } else { 0.0 };
            }
        }
        // Eight sums, whatever the lanes: their order decides the last bit.
        for eight in 0..LANES / 8 {
            for lane in 0..8 {
                let at = 8 * eight + lane;
                with_weights[lane] += levels[at] * values[at];
                own[lane] += levels[at] * levels[at];
            }
        }
    }
    (with_weights.iter().sum(), own.iter().sum())
}

/// The largest weight's position as a share of the end level: below 1 that weight is clipped, and
/// the others are finer.
const REACHES: [f32; 7] = [0.72, 0.78, 0.84, 0.90, 0.95, 1.00, 1.05];
