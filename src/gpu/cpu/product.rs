//! Products with quantised matrices, in integers, and what is fused into them.

use std::borrow::Cow;
use std::cell::RefCell;

use burn::tensor::Tensor;
use inf_llava_cpu::{
    Activations, Bits, Matrix, PANEL, Path, Pool, Rows, gelu, gelu_tanh, multiply, multiply_many,
    quick_gelu, rms_norm, silu,
};

use super::host::{Numbers, tensor};
use crate::gpu::ops::Fused;
use crate::gpu::quantized::{self, QuantizedMatrix, QuantizedPiece};
use crate::quant::{Packed, Quant};
use crate::spec::Activation;

/// Up to this many rows of x the matrix is read once; for more it is put into panels first.
const FEW_ROWS: usize = 4;
/// Numbers of a thread's part of what follows a product.
const PART: usize = 16 << 10;

thread_local! {
    /// Memory that is used again: activations for matrices of 4 bits and of 8, those of many rows, and products.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    few: [Activations; 2],
    many: Rows,
    products: Vec<f32>,
}

/// [`crate::gpu::ops::product`]; none where something is not in host memory.
pub fn product(x: &Tensor<2>, matrix: &QuantizedMatrix, fused: &Fused) -> Option<Tensor<2>> {
    let [rows, columns] = x.dims();
    if rows == 0 || matrix.pieces.is_empty() {
        return None;
    }
    let pieces = matrix.pieces.iter().map(|piece| host(piece, columns));
    let pieces: Vec<Matrix<'_>> = pieces.collect::<Option<_>>()?;
    let x_numbers = Numbers::of(x)?;
    let x_numbers = normed(x_numbers.get(), columns, fused)?;
    let after = After::new(fused, matrix.rows)?;
    let mut y = vec![0.0; rows * after.outputs];
    SCRATCH.with_borrow_mut(|scratch| match rows <= FEW_ROWS {
        true => few(&pieces, &x_numbers, columns, scratch, &after, &mut y),
        false => many(&pieces, &x_numbers, columns, scratch, &after, &mut y),
    });
    Some(tensor(y, [rows, after.outputs], &x.device()))
}

/// The matrix of a piece; none if it is on another device.
fn host(piece: &QuantizedPiece, columns: usize) -> Option<Matrix<'_>> {
    let quantized::Bits::Host(bytes) = &piece.bits else {
        return None;
    };
    let packed = Packed::new(piece.quant, bytes, piece.rows, columns).ok()?;
    let bits = match piece.quant {
        Quant::Q4 => Bits::Four,
        Quant::Q8 => Bits::Eight,
    };
    let [codes, block_scales] = packed.codes_and_scales();
    Matrix::new(bits, columns, codes, block_scales, packed.row_scales())
}

fn normed<'a>(x: &'a [f32], columns: usize, fused: &Fused) -> Option<Cow<'a, [f32]>> {
    let Some((weight, eps)) = &fused.norm else {
        return Some(Cow::Borrowed(x));
    };
    let weight = Numbers::of(weight)?;
    let mut normed = vec![0.0; x.len()];
    for (x, out) in x
        .chunks_exact(columns)
        .zip(normed.chunks_exact_mut(columns))
    {
        rms_norm(x, weight.get(), *eps as f32, out);
    }
    Some(Cow::Owned(normed))
}

fn few(
    pieces: &[Matrix<'_>],
    x: &[f32],
    columns: usize,
    scratch: &mut Scratch,
    after: &After,
    y: &mut [f32],
) {
    let rows = x.len() / columns;
    let Scratch { few, products, .. } = scratch;
    let all: usize = pieces.iter().map(Matrix::rows).sum();
    products.resize(all * rows, 0.0);
    for bits in [Bits::Four, Bits::Eight] {
        if pieces.iter().any(|piece| piece.bits() == bits) {
            few[usize::from(bits == Bits::Eight)].set(x, columns, bits);
        }
    }
    let mut rest = &mut products[..];
    for piece in pieces {
        let (of_piece, behind) = rest.split_at_mut(piece.rows() * rows);
        rest = behind;
        let x = &few[usize::from(piece.bits() == Bits::Eight)];
        multiply(Path::quickest(), Pool::of_program(), piece, x, of_piece);
    }
    if rows == 1 {
        return after.finish(0, products, y);
    }
    let mut of_row = vec![0.0; all];
    for (row, y) in y.chunks_exact_mut(after.outputs).enumerate() {
        let products = products.iter().skip(row).step_by(rows);
        of_row
            .iter_mut()
            .zip(products)
            .for_each(|(to, &product)| *to = product);
        after.finish(row, &of_row, y);
    }
}

fn many(
    pieces: &[Matrix<'_>],
    x: &[f32],
    columns: usize,
    scratch: &mut Scratch,
    after: &After,
    y: &mut [f32],
) {
    let rows = x.len() / columns;
    let Scratch { many, products, .. } = scratch;
    let pool = Pool::of_program();
    many.set(pool, x, columns);
    let panels = |piece: &Matrix<'_>| piece.rows().div_ceil(PANEL);
    let all: usize = pieces.iter().map(panels).sum();
    products.resize(all * rows * PANEL, 0.0);
    let mut rest = &mut products[..];
    for piece in pieces {
        let (of_piece, behind) = rest.split_at_mut(panels(piece) * rows * PANEL);
        rest = behind;
        multiply_many(Path::quickest(), pool, piece, many, of_piece);
    }
    // `[panels, rows, PANEL]`; the last panel of a piece is filled up.
    let products = products.as_chunks::<PANEL>().0;
    let width: usize = pieces.iter().map(Matrix::rows).sum();
    let step = (PART / width).max(1);
    pool.chunks(y, step * after.outputs, |part, y| {
        let mut of_row = vec![0.0; width];
        for (row, y) in y.chunks_exact_mut(after.outputs).enumerate() {
            let row = part * step + row;
            let (mut panel, mut place) = (0, 0);
            for piece in pieces {
                for to in of_row[place..place + piece.rows()].chunks_mut(PANEL) {
                    to.copy_from_slice(&products[panel * rows + row][..to.len()]);
                    panel += 1;
                }
                place += piece.rows();
            }
            after.finish(row, &of_row, y);
        }
    });
}

/// What follows a product.
struct After {
    is_gated: bool,
    bias: Option<Numbers>,
    activation: Option<Activation>,
    residual: Option<Numbers>,
    outputs: usize,
}

impl After {
    /// None if something is not in host memory.
    fn new(fused: &Fused, rows: usize) -> Option<Self> {
        Some(After {
            is_gated: fused.gated,
            bias: Numbers::of_any(fused.bias.as_ref())?,
            activation: fused.activation,
            residual: Numbers::of_any(fused.residual.as_ref())?,
            outputs: rows >> usize::from(fused.gated),
        })
    }

    /// Output row `row` from its products.
    fn finish(&self, row: usize, products: &[f32], y: &mut [f32]) {
        match self.is_gated {
            true => {
                let (gates, ups) = products.split_at(self.outputs);
                let both = gates.iter().zip(ups);
                y.iter_mut()
                    .zip(both)
                    .for_each(|(y, (&gate, &up))| *y = silu(gate) * up);
            }
            false => y.copy_from_slice(products),
        }
        if let Some(bias) = &self.bias {
            y.iter_mut()
                .zip(bias.get())
                .for_each(|(y, bias)| *y += bias);
        }
        match self.activation {
            None => {}
            Some(Activation::QuickGelu) => y.iter_mut().for_each(|y| *y = quick_gelu(*y)),
            Some(Activation::GeluTanh) => y.iter_mut().for_each(|y| *y = gelu_tanh(*y)),
            Some(Activation::Gelu) => y.iter_mut().for_each(|y| *y = gelu(*y)),
        }
        if let Some(residual) = &self.residual {
            let of_row = &residual.get()[row * self.outputs..];
            y.iter_mut()
                .zip(of_row)
                .for_each(|(y, residual)| *y += residual);
        }
    }
}
