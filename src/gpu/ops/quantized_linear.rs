//! Products with quantised matrices: `shaders/quantized_matvec.wgsl` for few rows,
//! `shaders/quantized_matmul.wgsl` for many; on the CPU and elsewhere without WGSL the bodies in [`cpu`] and
//! [`reference`].

use burn::tensor::Tensor;

use super::linear::Product;
use crate::gpu::kernel::{GpuTensor, Kernel, launch_into, output, wgsl_const};
use crate::gpu::{cpu, reference};
use crate::nn::{Bits, QuantizedMatrix, QuantizedPiece};
use crate::weights::quantize::BLOCK;

const MATVEC_SHADER: &str = include_str!("../../../shaders/quantized_matvec.wgsl");
const MATMUL_SHADER: &str = include_str!("../../../shaders/quantized_matmul.wgsl");
pub(super) const MATVEC: Kernel = Kernel::new("quantized_matvec", MATVEC_SHADER);
pub(super) const MATMUL: Kernel = Kernel::new("quantized_matmul", MATMUL_SHADER);
const MATVEC_ROWS: usize = wgsl_const(MATVEC_SHADER, "ROWS") as usize;
const TILE: usize = wgsl_const(MATMUL_SHADER, "TILE") as usize;
/// `x W^T`: `x` `[rows, columns]`, `W` `[outputs, columns]` -> `[rows, outputs]`. f32.
pub fn quantized_linear(matrix: &QuantizedMatrix, x: Tensor<2>) -> Tensor<2> {
    match matrix.pieces.first().map(|piece| &piece.bits) {
        Some(Bits::Host(_)) => cpu::quantized_linear(matrix, x),
        _ => match on_gpu(matrix, &x) {
            Some(y) => y,
            None => reference::quantized_linear(matrix, x),
        },
    }
}

/// None where the tensors are not on wgpu.
fn on_gpu(matrix: &QuantizedMatrix, x: &Tensor<2>) -> Option<Tensor<2>> {
    let [rows, _] = x.dims();
    let x = GpuTensor::from_float(x)?;
    let y = output(&x, [rows, matrix.rows]);
    let mut first_output = 0;
    for piece in &matrix.pieces {
        let Bits::Device(bits) = &piece.bits else {
            return None;
        };
        let inputs = [
            x.clone(),
            GpuTensor::from_int(&bits.words)?,
            GpuTensor::from_float(&bits.row_scales)?,
        ];
        let of_bits = |kernel: Kernel| kernel.with("BITS", piece.quant.bits() as u32);
        let matvec = (of_bits(MATVEC), MATVEC_ROWS);
        let product = Product::new(rows, piece.rows, matvec, (of_bits(MATMUL), TILE));
        let sizes = [matrix.columns, piece.rows, matrix.rows, first_output];
        let mut params = sizes.map(|value| value as u32).to_vec();
        params.push(codes_words(piece, matrix.columns) as u32);
        params.extend([product.extent, 0, 0]);
        launch_into(product.kernel, &inputs, &y, product.groups, &params);
        first_output += piece.rows;
    }
    Some(y.into_float())
}

/// 32-bit words that the codes take: the block scales lie behind them.
fn codes_words(piece: &QuantizedPiece, columns: usize) -> usize {
    piece.rows * (columns / BLOCK) * piece.quant.bits()
}
