//! Weights in 4 or 8 bits: what the bits mean, and which bits say a weight best.
//!
//! A matrix `[rows, columns]` is cut along its rows into blocks of [`BLOCK`] weights. A weight is
//!
//! ```text
//! row_scale * block_scale * level(code)      row_scale f32, block_scale i8, code 4 or 8 bits
//! ```
//!
//! [`Quant::Q8`]: `level(code) = code`, an i8. 8.25 bits a weight, and 32 a row.
//!
//! [`Quant::Q4`]: `level(code) = t + t³ / 128` with `t = code - 8`: steps are finer near zero, where most
//! weights are. One end reaches 12, the other 9.7, and the block's scale may be negative: its largest
//! weight takes the longer end. 4.25 bits a weight, and 32 a row.
//!
//! On normally distributed weights the error is 7.3 % of their size, that of llama.cpp's Q4_0 (4.5 bits)
//! 8.5 % (tests/stages/quantize.rs).
//!
//! This is the one definition: the shaders and the CPU's products are tested against
//! [`Quant::dequantize`].

use std::collections::VecDeque;

use super::packed::Packed;
use crate::error::{Error, Result};

/// Weights that share a scale.
pub const BLOCK: usize = 32;
/// The largest block scale.
const SCALE_STEPS: f32 = 127.0;

/// How a matrix is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quant {
    /// 4 bits, levels that widen from zero.
    Q4,
    /// 8 bits, even levels.
    Q8,
}

/// Where the three parts of `rows` rows lie: codes, then block scales, then row scales; each begins
/// at a multiple of 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Of the codes, bytes.
    pub codes: usize,
    /// Of the block scales, bytes, with the padding behind them.
    pub block_scales: usize,
    /// Of the row scales, bytes.
    pub row_scales: usize,
}

impl Layout {
    /// Of all three parts.
    pub fn bytes(&self) -> usize {
        self.codes + self.block_scales + self.row_scales
    }

    /// Of what lies so, that every row's scale is a number; the first row is number `first_row`.
    ///
    /// # Errors
    /// [`Error::Quantised`] naming the row.
    pub fn check_row_scales(&self, bytes: &[u8], first_row: usize) -> Result<()> {
        let scales = bytes[self.codes + self.block_scales..].as_chunks().0;
        let mut scales = scales.iter().map(|&scale| f32::from_le_bytes(scale));
        match scales.position(|scale| !scale.is_finite()) {
            None => Ok(()),
            Some(row) => Err(Error::Quantised {
                reason: format!(
                    "the scale of row {} is not finite; convert or download it again",
                    first_row + row
                ),
            }),
        }
    }
}

/// Matrices put one above another, in the bytes of one.
pub struct Stack {
    quant: Quant,
    columns: usize,
    /// Of all of them, one behind the other.
    heights: VecDeque<usize>,
    layout: Layout,
    /// Rows that are there.
    rows: usize,
    bytes: Vec<u8>,
}

impl Stack {
    /// Room for matrices of so many rows each. None where one cannot stand behind another, since the scales of its blocks
    /// are padded.
    pub fn new(quant: Quant, heights: &[usize], columns: usize) -> Option<Self> {
        let layout = quant.layout(heights.iter().sum(), columns).ok()?;
        let is_padded = |rows: &usize| !(rows * (columns / BLOCK)).is_multiple_of(4);
        if heights.iter().any(is_padded) {
            return None;
        }
        Some(Stack {
            quant,
            columns,
            heights: heights.iter().copied().collect(),
            layout,
            rows: 0,
            bytes: Vec::new(),
        })
    }

    /// Bytes of all matrices together.
    pub fn byte_count(&self) -> usize {
        self.layout.bytes()
    }

    /// Puts the next matrix in its place.
    ///
    /// # Errors
    /// As [`Quant::checked_layout`] and [`Layout::check_row_scales`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let rows = self.heights.pop_front().unwrap_or(0);
        let part = self.quant.checked_layout(bytes.len(), rows, self.columns)?;
        part.check_row_scales(bytes, 0)?;
        let above = self.quant.layout(self.rows, self.columns)?;
        // Not before it is needed: memory of a browser's module is never given back.
        self.bytes.resize(self.layout.bytes(), 0);
        let (codes, scales) = bytes.split_at(part.codes);
        let (block_scales, row_scales) = scales.split_at(part.block_scales);
        let second = self.layout.codes;
        let third = second + self.layout.block_scales;
        for (first, from) in [
            (above.codes, codes),
            (second + above.block_scales, block_scales),
            (third + above.row_scales, row_scales),
        ] {
            self.bytes[first..first + from.len()].copy_from_slice(from);
        }
        self.rows += rows;
        Ok(())
    }

    /// What [`Quant::layout`] describes, of all rows.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Quant {
    /// Bits of a code.
    pub fn bits(self) -> usize {
        match self {
            Quant::Q4 => 4,
            Quant::Q8 => 8,
        }
    }

    /// Bytes of a block's codes.
    pub fn block_bytes(self) -> usize {
        BLOCK / 8 * self.bits()
    }

    /// As manifests and the command line say it.
    pub fn name(self) -> &'static str {
        match self {
            Quant::Q4 => "q4",
            Quant::Q8 => "q8",
        }
    }

    /// Whether a matrix with so many columns can be cut into blocks.
    pub fn fits(columns: usize) -> bool {
        columns > 0 && columns.is_multiple_of(BLOCK)
    }

    /// Where the parts of `rows` rows of `columns` lie.
    ///
    /// # Errors
    /// [`Error::Quantised`] if the columns are no blocks, or if there are more bytes than can be
    /// addressed.
    pub fn layout(self, rows: usize, columns: usize) -> Result<Layout> {
        let refused = |reason: &str| Error::Quantised {
            reason: format!(
                "{rows} rows of {columns} columns in {}: {reason}",
                self.name()
            ),
        };
        if !Self::fits(columns) {
            return Err(refused("columns must be blocks of 32"));
        }
        let too_large = || refused("too large");
        let weights = rows.checked_mul(columns).ok_or_else(too_large)?;
        let codes = (weights / 8)
            .checked_mul(self.bits())
            .ok_or_else(too_large)?;
        let block_scales = (weights / BLOCK).checked_next_multiple_of(4);
        let layout = Layout {
            codes,
            block_scales: block_scales.ok_or_else(too_large)?,
            row_scales: rows.checked_mul(4).ok_or_else(too_large)?,
        };
        let all = layout.codes.checked_add(layout.block_scales);
        all.and_then(|bytes| bytes.checked_add(layout.row_scales))
            .ok_or_else(too_large)?;
        Ok(layout)
    }

    /// As [`Quant::layout`], for `found` bytes.
    ///
    /// # Errors
    /// As [`Quant::layout`]; [`Error::Quantised`] if there are not as many bytes as it says.
    pub fn checked_layout(self, found: usize, rows: usize, columns: usize) -> Result<Layout> {
        let layout = self.layout(rows, columns)?;
        match found == layout.bytes() {
            true => Ok(layout),
            false => Err(Error::Quantised {
                reason: format!(
                    "{found} bytes for {rows} rows of {columns} columns in {}, where {} are needed",
                    self.name(),
                    layout.bytes()
                ),
            }),
        }
    }

    /// `values` `[rows, columns]`, finite, in the bytes that [`Quant::layout`] describes.
    ///
    /// # Errors
    /// As [`Quant::layout`].
    pub fn quantize(self, values: &[f32], columns: usize) -> Result<Vec<u8>> {
        let rows = values.len() / columns.max(1);
        let layout = self.layout(rows, columns)?;
        let mut bytes = vec![0; layout.bytes()];
        let (codes, rest) = bytes.split_at_mut(layout.codes);
        let (block_scales, row_scales) = rest.split_at_mut(layout.block_scales);
        self.quantize_into(values, columns, codes, block_scales, row_scales);
        Ok(bytes)
    }

    /// The same, where the three parts lie apart. Rows behind the room that there is are left out.
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

    /// What `bytes` mean: `[rows, columns]`.
    ///
    /// # Errors
    /// As [`Quant::checked_layout`].
    pub fn dequantize(self, bytes: &[u8], rows: usize, columns: usize) -> Result<Vec<f32>> {
        Ok(Packed::new(self, bytes, rows, columns)?.dequantize())
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
        // Too small to divide by: the row is as good as zero.
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
                // Rounded up, so that nothing is cut off.
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

/// What a code of [`Quant::Q4`], 0 to 15, stands for: -12 to 9.7.
pub const fn level_q4(code: u8) -> f32 {
    let t = code as f32 - 8.0;
    t + t * t * t / 128.0
}

/// Half-way from each level to the next, and the step between the two.
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

/// The codes whose levels are nearest to the weights over `scale`.
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

/// The weight of the largest magnitude.
fn largest(block: &[f32; BLOCK]) -> f32 {
    let larger = |a: f32, &b: &f32| if b.abs() > a.abs() { b } else { a };
    block.iter().fold(0.0, larger)
}

/// The scale that leaves the least squares. The largest weight is tried at either end and some way
/// beyond; for what the levels then are, the best scale is known.
fn best_scale_q4(block: &[f32; BLOCK]) -> f32 {
    let largest = largest(block);
    if !largest.is_normal() {
        return 0.0;
    }
    // So that no square overflows.
    let block = block.map(|value| value / largest);
    let (mut best, mut most) = (0.0, 0.0);
    for end in [level_q4(0), level_q4(15)] {
        for reach in REACHES {
            let (with_weights, own) = products_q4(&block, end / reach);
            // The least squares for these levels take `with_weights² / own` off the weights' own.
            let gain = with_weights * with_weights / own;
            if gain > most {
                (best, most) = (with_weights / own, gain);
            }
        }
    }
    best * largest
}

/// The levels nearest to the weights times `inverse`: their products with the weights, and with themselves. The
/// innermost loop of a conversion, and so written for vectors of eight.
fn products_q4(block: &[f32; BLOCK], inverse: f32) -> (f32, f32) {
    let (mut with_weights, mut own) = ([0.0; 8], [0.0; 8]);
    for values in block.as_chunks::<8>().0 {
        let mut levels = [level_q4(0); 8];
        for (limit, step) in STEPS_Q4 {
            for (level, value) in levels.iter_mut().zip(values) {
                *level += if value * inverse > limit { step } else { 0.0 };
            }
        }
        for lane in 0..8 {
            with_weights[lane] += levels[lane] * values[lane];
            own[lane] += levels[lane] * levels[lane];
        }
    }
    (with_weights.iter().sum(), own.iter().sum())
}

/// An end, over the largest weight: below 1 that weight is cut off, and the others are finer.
const REACHES: [f32; 7] = [0.72, 0.78, 0.84, 0.90, 0.95, 1.00, 1.05];
