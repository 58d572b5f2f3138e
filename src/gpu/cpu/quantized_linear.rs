//! Products with quantised matrices on the CPU. For few rows of x, each row of the matrix is dequantised and
//! multiplied block by block; for many, a group of rows at a time is dequantised into a burn tensor.

use burn::tensor::{Tensor, TensorData};
#[cfg(not(target_arch = "wasm32"))]
use rayon::prelude::*;

use crate::gpu::quantized::{Bits, QuantizedMatrix};
use crate::quant::BLOCK;
use crate::quant::{Packed, PackedRow};

/// Up to this many rows of x, multiplying directly is faster than dequantising into memory.
const FEW_ROWS: usize = 8;
/// Rows of the matrix in one thread's chunk.
const ROWS: usize = 64;
/// Weights dequantised into memory at once: 8 MiB of f32.
const WEIGHTS: usize = 2 << 20;
/// Independent partial sums, so that the compiler can vectorise.
const LANES: usize = 8;

/// `x W^T`: see [`crate::gpu::ops::product`]. `x` is on the CPU.
pub fn quantized_linear(matrix: &QuantizedMatrix, x: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let device = x.device();
    // CPU tensors are in host memory: reading one neither waits nor fails.
    let few = match rows <= FEW_ROWS {
        true => x.clone().into_data().try_into_vec::<f32>().ok(),
        false => None,
    };
    let products = pieces(matrix).map(|piece| match &few {
        Some(values) => {
            let products = TensorData::new(multiply(piece, values, columns), [piece.len(), rows]);
            Tensor::<2>::from_data(products, &device).transpose()
        }
        None => multiply_many(piece, &x),
    });
    Tensor::cat(products.collect(), 1)
}

/// The pieces in host memory; those on another device are skipped.
fn pieces(matrix: &QuantizedMatrix) -> impl Iterator<Item = Packed<'_>> {
    matrix.pieces.iter().filter_map(|piece| match &piece.bits {
        Bits::Host(bytes) => Packed::new(piece.quant, bytes, piece.rows, matrix.columns).ok(),
        Bits::Device(_) => None,
    })
}

/// `W x^T` `[rows of W, rows of x]`.
fn multiply(weights: Packed<'_>, x: &[f32], columns: usize) -> Vec<f32> {
    let rows = x.len() / columns;
    let mut products = vec![0.0; weights.len() * rows];
    let fill = |(index, products): (usize, &mut [f32])| {
        let part = weights.narrow(index * ROWS, products.len() / rows);
        for (row, products) in part.rows().zip(products.chunks_exact_mut(rows)) {
            multiply_row(row, x, columns, products);
        }
    };
    #[cfg(not(target_arch = "wasm32"))]
    let chunks = products.par_chunks_mut(ROWS * rows);
    #[cfg(target_arch = "wasm32")]
    let chunks = products.chunks_mut(ROWS * rows);
    chunks.enumerate().for_each(fill);
    products
}

/// Adds the products of one row of W with every row of x.
fn multiply_row(row: PackedRow<'_>, x: &[f32], columns: usize, products: &mut [f32]) {
    for (index, (levels, scale)) in row.blocks().enumerate() {
        let rows = x.chunks_exact(columns);
        for (product, x) in products.iter_mut().zip(rows) {
            let x = &x.as_chunks::<BLOCK>().0[index];
            *product += scale * dot(&levels, x);
        }
    }
    for product in products {
        *product *= row.row_scale();
    }
}

fn dot(a: &[f32; BLOCK], b: &[f32; BLOCK]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(b.as_chunks::<LANES>().0)
    {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// `x W^T`, dequantising a group of rows of W at a time.
fn multiply_many(weights: Packed<'_>, x: &Tensor<2>) -> Tensor<2> {
    let [_, columns] = x.dims();
    let step = (WEIGHTS / columns).max(1);
    let products = (0..weights.len()).step_by(step).map(|first| {
        let part = weights.narrow(first, step.min(weights.len() - first));
        let values = TensorData::new(part.dequantize(), [part.len(), columns]);
        let values = Tensor::<2>::from_data(values, &x.device());
        x.clone().matmul(values.transpose())
    });
    Tensor::cat(products.collect(), 1)
}
