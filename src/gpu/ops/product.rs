//! Matrix products with fused operations: `shaders/{matvec,quantized_matvec}.wgsl` for few rows,
//! `shaders/{matmul,quantized_matmul}.wgsl` for many, or the reference implementation.

use burn::tensor::Tensor;

use super::kernel_set::{Case, KernelSet, wave};
use super::norm::rms_norm;
use crate::error::Result;
use crate::gpu::adapter::{self, Variants};
use crate::gpu::cpu;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::kernel::{
    Cut, GpuTensor, HALF, Kernel, SUBGROUPS, in_rows, kernel, launch_in_parts, output,
};
use crate::gpu::pace::Work;
use crate::gpu::quantized::{Bits, QuantizedMatrix, QuantizedPiece};
use crate::gpu::reference;
use crate::quant::{BLOCK, Quant};
use crate::spec::Activation;
use burn::tensor::Device;
use bytes::Bytes;

pub(super) const MATVEC: Kernel = kernel!("matvec", "finish");
pub(super) const MATMUL: Kernel = kernel!("matmul", "tile_store", "finish");
pub(super) const QUANTIZED_MATVEC: Kernel = kernel!("quantized_matvec", "finish");
pub(super) const QUANTIZED_MATMUL: Kernel = kernel!("quantized_matmul", "tile_store", "finish");
/// Rows of W per workgroup.
const MATVEC_ROWS: usize = MATVEC.constant("ROWS");
/// Rows of W per thread of `quantized_matvec`, and the fewest threads that share a row.
const EIGHT: usize = QUANTIZED_MATVEC.constant("EIGHT");
const LEAST_LANES: usize = 4;
const TILE: usize = MATMUL.constant("TILE");
const QUANTIZED_TILE: usize = QUANTIZED_MATMUL.constant("TILE");
/// Up to this many rows of x, each row reads the weights separately.
const FEW_ROWS: usize = 8;
/// A weight matrix, `[outputs, columns]`.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one at a time")]
pub enum Matrix<'a> {
    /// In f32.
    Float(Tensor<2>),
    /// In 4 or 8 bits.
    Quantized(&'a QuantizedMatrix),
}

/// What is fused into a matrix product, in this order; nothing by default.
#[derive(Debug, Clone, Default)]
pub struct Fused {
    /// RMSNorm with this weight `[columns]` and epsilon: first, each row of x is divided by the root of its mean
    /// square (plus epsilon) and multiplied with the weight.
    pub norm: Option<(Tensor<1>, f64)>,
    /// The upper half of W is a gate for the lower: `silu(upper half of y) * (lower half of y)`, half as many
    /// outputs.
    pub gated: bool,
    /// `[outputs]`, added.
    pub bias: Option<Tensor<1>>,
    /// Applied to y.
    pub activation: Option<Activation>,
    /// `[rows, outputs]`, added last.
    pub residual: Option<Tensor<2>>,
}

/// `x W^T` with the operations in `fused`: `x` `[rows, columns]` -> `[rows, outputs]`. f32.
pub fn product(x: Tensor<2>, matrix: &Matrix<'_>, fused: Fused) -> Tensor<2> {
    if let Some(y) = on_gpu(&x, matrix, &fused) {
        return y;
    }
    if let Matrix::Quantized(matrix) = matrix
        && let Some(y) = cpu::product(&x, matrix, &fused)
    {
        return y;
    }
    falls_back("matrix product", &x.device());
    reference::product(x, fused, |x| match matrix {
        Matrix::Float(weight) => reference::linear(x, weight.clone()),
        Matrix::Quantized(matrix) => reference::quantized_linear(matrix, x),
    })
}

/// Some rows of a matrix on a GPU.
struct Piece {
    buffers: Vec<GpuTensor>,
    rows: usize,
    quant: Option<Quant>,
}

/// None if the matrix is not on wgpu.
fn pieces(matrix: &Matrix<'_>) -> Option<Vec<Piece>> {
    let matrix = match matrix {
        Matrix::Float(weight) => {
            let [rows, _] = weight.dims();
            let buffers = vec![GpuTensor::from_float(weight)?];
            let quant = None;
            return Some(vec![Piece {
                buffers,
                rows,
                quant,
            }]);
        }
        Matrix::Quantized(matrix) => matrix,
    };
    let of = |piece: &QuantizedPiece| {
        let Bits::Device(bits) = &piece.bits else {
            return None;
        };
        let words = GpuTensor::from_int(&bits.words)?;
        Some(Piece {
            buffers: vec![words, GpuTensor::from_float(&bits.row_scales)?],
            rows: piece.rows,
            quant: Some(piece.quant),
        })
    };
    matrix.pieces.iter().map(of).collect()
}

/// None if the tensors are not on wgpu, or the kernels do not support them.
fn on_gpu(x: &Tensor<2>, matrix: &Matrix<'_>, fused: &Fused) -> Option<Tensor<2>> {
    let [rows, columns] = x.dims();
    // The kernels read four columns at once.
    if !columns.is_multiple_of(4) || rows == 0 {
        return None;
    }
    let pieces = pieces(matrix)?;
    if fused.gated && pieces.len() != 1 {
        return None;
    }
    let is_few = rows <= FEW_ROWS;
    let norm = fused.norm.as_ref().filter(|_| is_few);
    let device = x.device();
    let variants = adapter::variants(&device);
    let of = |piece| {
        launch_of(
            piece,
            [rows, columns],
            norm.is_some(),
            fused.gated,
            variants,
        )
    };
    let launches: Vec<(Kernel, usize)> = pieces.iter().map(of).collect();
    if !launches
        .iter()
        .all(|(kernel, _)| kernel.is_trusted(&device))
    {
        return None;
    }
    let x = match &fused.norm {
        Some((weight, eps)) if !is_few => rms_norm(x.clone(), weight.clone(), *eps),
        _ => x.clone(),
    };
    let x = GpuTensor::from_float(&x)?;
    let norm_weight = x.or_absent(norm.map(|(weight, _)| weight), 0)?;
    let bias = x.or_absent(fused.bias.as_ref(), 1)?;
    let residual = x.or_absent(fused.residual.as_ref(), 2)?;
    let outputs: usize = pieces.iter().map(|piece| piece.rows).sum();
    let outputs = outputs >> usize::from(fused.gated);
    let y = output(&x, [rows, outputs]);

    let mut first_output = 0;
    for (piece, (kernel, tile_rows)) in pieces.into_iter().zip(launches) {
        let mut inputs = vec![x.clone()];
        inputs.extend(is_few.then(|| norm_weight.clone()));
        inputs.extend(piece.buffers);
        inputs.extend([bias.clone(), residual.clone()]);
        let sizes = [columns, piece.rows, outputs, first_output, rows];
        let eps = norm.map_or(0.0, |&(_, eps)| eps as f32);
        // Words of the codes: the block scales follow them.
        let codes = |quant: Quant| piece.rows * (columns / BLOCK) * quant.bits();
        let codes = piece.quant.map_or(0, codes);
        let x_tiles = match is_few {
            true => 1,
            false => rows.div_ceil(tile_rows) as u32,
        };
        let cut = Cut {
            groups: [piece.rows.div_ceil(tile_rows) as u32, x_tiles],
            work: work_of(piece.quant, is_few),
            multiply_adds: rows as f64 * piece.rows as f64 * columns as f64,
        };
        launch_in_parts(kernel, &inputs, &y, cut, &device, |part| {
            let [first, first_x] = part.first;
            let [count, x_count] = part.count;
            let groups = match is_few {
                true => {
                    let [x, y] = in_rows(count as usize);
                    [x, y, rows as u32]
                }
                false => [count, x_count, 1],
            };
            let mut params = sizes.map(|size| size as u32).to_vec();
            params.extend([groups[0], flags(fused), eps.to_bits()]);
            params.extend([codes as u32, first, first_x, 0]);
            (groups, params)
        });
        first_output += piece.rows >> usize::from(fused.gated);
    }
    Some(y.into_float())
}

/// The bits of the shaders' constants of these names.
fn flags(fused: &Fused) -> u32 {
    let activation = match fused.activation {
        None => 0,
        Some(Activation::QuickGelu) => 1,
        Some(Activation::GeluTanh) => 2,
        Some(Activation::Gelu) => 3,
    };
    u32::from(fused.bias.is_some()) | u32::from(fused.residual.is_some()) << 1 | activation << 2
}

fn work_of(quant: Option<Quant>, is_few: bool) -> Work {
    match (quant, is_few) {
        (None, true) => Work::Matvec,
        (None, false) => Work::Matmul,
        (Some(_), true) => Work::QuantizedMatvec,
        (Some(_), false) => Work::QuantizedMatmul,
    }
}

/// The kernel for x `[rows, columns]` and a piece, and the rows of W per workgroup.
fn launch_of(
    piece: &Piece,
    [rows, columns]: [usize; 2],
    has_norm: bool,
    is_gated: bool,
    variants: Variants,
) -> (Kernel, usize) {
    let (matvec, matvec_rows, matmul, tile) = match piece.quant {
        None => (MATVEC, MATVEC_ROWS, MATMUL, TILE),
        Some(quant) => {
            let of_bits = |kernel: Kernel| kernel.with("BITS", quant.bits() as u32);
            let (matvec, matmul) = (of_bits(QUANTIZED_MATVEC), of_bits(QUANTIZED_MATMUL));
            let blocks = columns / BLOCK;
            let lanes = (blocks + 1).next_power_of_two() / 2;
            let lanes = lanes.clamp(LEAST_LANES, variants.lanes);
            let rows = QUANTIZED_MATVEC.workgroup_size as usize / lanes * EIGHT;
            let matvec = matvec.with("LANES", lanes as u32);
            (matvec, rows, matmul, QUANTIZED_TILE)
        }
    };
    let gated = |kernel: Kernel| kernel.with("GATED", u32::from(is_gated));
    if rows <= FEW_ROWS {
        let kernel = gated(matvec)
            .with("NORM", u32::from(has_norm))
            .with(SUBGROUPS, u32::from(variants.subgroups));
        (kernel, matvec_rows)
    } else {
        let kernel = gated(matmul).with(HALF, u32::from(variants.half));
        (kernel, tile)
    }
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[
        MATMUL,
        MATMUL.with("GATED", 1),
        MATVEC,
        MATVEC.with("GATED", 1).with("NORM", 1),
        QUANTIZED_MATMUL,
        QUANTIZED_MATMUL.with("BITS", 8).with("GATED", 1),
        QUANTIZED_MATVEC,
        QUANTIZED_MATVEC.with("LANES", 4),
        QUANTIZED_MATVEC
            .with("BITS", 8)
            .with("GATED", 1)
            .with("NORM", 1),
    ],
    beyond_portable: &[
        MATMUL.with(HALF, 1),
        QUANTIZED_MATMUL.with(HALF, 1),
        MATVEC.with("NORM", 1).with(SUBGROUPS, 1),
        QUANTIZED_MATVEC.with("NORM", 1).with(SUBGROUPS, 1),
    ],
    cases: &[
        Case::new(MATVEC, |device| floats(1, device)),
        Case::new(MATMUL, |device| floats(70, device)),
        Case::new(QUANTIZED_MATVEC, |device| quantized(Quant::Q4, 1, device)),
        Case::new(QUANTIZED_MATVEC, all_lanes),
        Case::new(QUANTIZED_MATVEC, |device| quantized(Quant::Q8, 1, device)),
        Case::new(QUANTIZED_MATMUL, |device| quantized(Quant::Q4, 70, device)),
        Case::new(QUANTIZED_MATMUL, |device| quantized(Quant::Q8, 70, device)),
    ],
};

/// A product with all fused operations.
fn everything(x: Tensor<2>, matrix: &Matrix<'_>) -> Tensor<1> {
    let [rows, columns] = x.dims();
    let device = x.device();
    let gated = Fused {
        // For many rows, another kernel computes the norm.
        norm: (rows == 1).then(|| (wave(0.4, [columns], &device), 1e-5)),
        gated: true,
        activation: Some(Activation::Gelu),
        ..Fused::default()
    };
    let plain = product(x.clone(), matrix, Fused::default());
    let outputs = plain.dims()[1];
    let fused = Fused {
        bias: Some(wave(0.9, [outputs], &device)),
        activation: Some(Activation::GeluTanh),
        residual: Some(wave(0.6, [rows, outputs], &device)),
        ..Fused::default()
    };
    let all = [
        plain,
        product(x.clone(), matrix, fused),
        product(x, matrix, gated),
    ];
    Tensor::cat(all.map(|y| y.flatten::<1>(0, 1)).to_vec(), 0)
}

fn floats(rows: usize, device: &Device) -> Result<Tensor<1>> {
    let weight = wave(0.11, [70, 96], device);
    let matrix = Matrix::Float(weight);
    Ok(everything(wave(0.5, [rows, 96], device), &matrix))
}

fn quantized(quant: Quant, rows: usize, device: &Device) -> Result<Tensor<1>> {
    let values: Vec<f32> = (0..70 * 96).map(|i| (i as f32 * 0.11).sin()).collect();
    let mut weight = QuantizedMatrix::new(96);
    let bytes = quant.quantize(&values, 96)?;
    weight.push(quant, 70, Bytes::from(bytes), device)?;
    let matrix = Matrix::Quantized(&weight);
    Ok(everything(wave(0.5, [rows, 96], device), &matrix))
}

/// A row long enough to be shared by the largest number of threads.
fn all_lanes(device: &Device) -> Result<Tensor<1>> {
    let (rows, columns) = (9, 64 * BLOCK);
    let values: Vec<f32> = (0..rows * columns)
        .map(|i| (i as f32 * 0.11).sin())
        .collect();
    let mut weight = QuantizedMatrix::new(columns);
    let bytes = Quant::Q4.quantize(&values, columns)?;
    weight.push(Quant::Q4, rows, Bytes::from(bytes), device)?;
    let x = wave(0.5, [1, columns], device);
    Ok(product(x, &Matrix::Quantized(&weight), Fused::default()).flatten(0, 1))
}
