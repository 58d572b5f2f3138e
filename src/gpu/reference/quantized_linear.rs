//! Products with quantised matrices on burn tensors: each piece is dequantised on its device.

use burn::tensor::{Int, Tensor, TensorData};

use crate::gpu::quantized::{Bits, QuantizedMatrix, QuantizedPiece};
use crate::quant::Packed;
use crate::quant::{BLOCK, Quant};

/// `x W^T`: see [`crate::gpu::ops::product`].
pub fn quantized_linear(matrix: &QuantizedMatrix, x: Tensor<2>) -> Tensor<2> {
    let products = matrix.pieces.iter().map(|piece| {
        let weights = dequantized(piece, matrix.columns, &x);
        x.clone().matmul(weights.transpose())
    });
    Tensor::cat(products.collect(), 1)
}

/// `[rows, columns]`, on the device of `x`.
fn dequantized(piece: &QuantizedPiece, columns: usize, x: &Tensor<2>) -> Tensor<2> {
    let (rows, blocks) = (piece.rows, columns / BLOCK);
    let (words, row_scales) = match &piece.bits {
        Bits::Device(bits) => (bits.words.clone(), bits.row_scales.clone()),
        Bits::Host(bytes) => {
            let packed = Packed::new(piece.quant, bytes, rows, columns);
            let values = packed.map(|packed| packed.dequantize()).unwrap_or_default();
            return Tensor::from_data(TensorData::new(values, [rows, columns]), &x.device());
        }
    };
    let [count] = words.dims();
    let code_words = rows * blocks * piece.quant.bits();
    let codes = words.clone().narrow(0, 0, code_words);
    let levels = match piece.quant {
        Quant::Q4 => {
            let t = parts(codes, 4).bitwise_and_scalar(15).float() - 8.0;
            t.clone() + t.powi_scalar(3) / 128.0
        }
        Quant::Q8 => parts(codes, 8).float(),
    };
    let scales = parts(words.narrow(0, code_words, count - code_words), 8).float();
    let scales = scales
        .narrow(0, 0, rows * blocks)
        .reshape([rows, blocks, 1]);
    let scales = scales * row_scales.reshape([rows, 1, 1]);
    (levels.reshape([rows, blocks, BLOCK]) * scales).reshape([rows, columns])
}

/// Splits each word into signed fields of `bits` bits, the lowest first.
fn parts(words: Tensor<1, Int>, bits: usize) -> Tensor<1, Int> {
    let [count] = words.dims();
    let each = (0..32).step_by(bits).map(|at| {
        let upwards = words
            .clone()
            .bitwise_left_shift_scalar((32 - bits - at) as i32);
        let part = upwards.bitwise_right_shift_scalar((32 - bits) as i32);
        part.reshape([count, 1])
    });
    Tensor::cat(each.collect(), 1).flatten(0, 1)
}
