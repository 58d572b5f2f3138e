//! Products with matrices, quantised (against the definition of the bits) and of floats: every body, in f64.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;
use std::f64::consts::{FRAC_2_PI, FRAC_2_SQRT_PI};

use inf_llava::gpu::kernel::launches;
use inf_llava::gpu::ops::{Fused, Matrix, product};
use inf_llava::gpu::quantized::QuantizedMatrix;
use inf_llava::gpu::read::read;
use inf_llava::gpu::reference;
use inf_llava::quant::{Quant, Stack};
use inf_llava::spec::Activation;
use rand::SeedableRng;
use rand::rand_core::Rng;
use rand_chacha::ChaCha8Rng;

/// Largest error over the root of the mean square.
const LIMIT: f64 = 2e-5;
/// The same for quantised matrices on the processor, which rounds x to 16 bits; of a single product, of which nothing cancels out.
const INTEGER_LIMIT: f64 = 5e-4;

fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut next = || random.next_u32() as f32 / u32::MAX as f32 - 0.5;
    (0..count).map(|_| next() + next() + next()).collect()
}

/// A matrix in pieces of so many rows, as bytes and as what they mean.
fn matrix(quant: Quant, columns: usize, rows: &[usize]) -> (Vec<(usize, Bytes)>, Vec<f32>) {
    let mut means = Vec::new();
    let pieces = rows.iter().enumerate().map(|(index, &rows)| {
        let bytes = quant
            .quantize(&values(index as u64, rows * columns), columns)
            .unwrap();
        means.extend(quant.dequantize(&bytes, rows, columns).unwrap());
        (rows, Bytes::from(bytes))
    });
    (pieces.collect(), means)
}

fn on(device: &Device, quant: Quant, columns: usize, pieces: &[(usize, Bytes)]) -> QuantizedMatrix {
    let mut matrix = QuantizedMatrix::new(columns);
    for (rows, bytes) in pieces {
        matrix.push(quant, *rows, bytes.clone(), device).unwrap();
    }
    matrix
}

fn exact(x: &[f32], weights: &[f32], columns: usize) -> Vec<f64> {
    let product = |x: &[f32], w: &[f32]| -> f64 {
        x.iter()
            .zip(w)
            .map(|(&x, &w)| f64::from(x) * f64::from(w))
            .sum()
    };
    let rows = x.chunks(columns);
    rows.flat_map(|x| weights.chunks(columns).map(move |w| product(x, w)))
        .collect()
}

/// The limit of a quantised matrix on the device of that name.
fn limit(device: &str) -> f64 {
    match device {
        "cpu" => INTEGER_LIMIT,
        _ => LIMIT,
    }
}

fn compare(what: &str, found: &[f32], expected: &[f64]) {
    within(LIMIT, what, found, expected);
}

fn within(limit: f64, what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let energy = expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64;
    for (&a, &b) in found.iter().zip(expected) {
        let error = (f64::from(a) - b).abs() / energy.sqrt();
        assert!(error <= limit, "{what}: {a}, not {b}");
    }
}

/// Rows of x for either kernel and on either side of a tile's edge; outputs that are no multiple of
/// anything, in one piece and in several; one block of columns and many.
#[test]
fn every_body_equals_the_definition() {
    let (cpu, gpu) = (crate::device("cpu").device, crate::device("wgpu").device);
    for quant in [Quant::Q4, Quant::Q8] {
        for (columns, pieces) in [
            (32, vec![1]),
            (96, vec![5]),
            (64, vec![33, 1, 70]),
            (1024, vec![64, 67]),
            (544, vec![3, 32]),
        ] {
            let (bytes, weights) = matrix(quant, columns, &pieces);
            for rows in [1, 3, 4, 5, 8, 9, 33, 70] {
                let x = values(1000 + rows as u64, rows * columns);
                let expected = exact(&x, &weights, columns);
                let what = format!("{}, {rows} x {columns} by {pieces:?}", quant.name());
                for (name, device) in [("cpu", &cpu), ("wgpu", &gpu)] {
                    let matrix = on(device, quant, columns, &bytes);
                    let data = TensorData::new(x.clone(), [rows, columns]);
                    let x = Tensor::<2>::from_data(data, device);
                    let before = launches();
                    let y = crate::read_watched(|| {
                        let matrix = Matrix::Quantized(&matrix);
                        let y = product(x.clone(), &matrix, Fused::default());
                        assert_eq!(y.dims(), [rows, pieces.iter().sum()], "{what}");
                        y
                    });
                    within(limit(name), &format!("{what} on {name}"), &y, &expected);
                    assert!(
                        name == "cpu" || launches() > before,
                        "{what}: no kernel ran"
                    );
                    let y = crate::block_on(read(reference::quantized_linear(&matrix, x))).unwrap();
                    compare(&format!("{what}, reference on {name}"), &y, &expected);
                }
            }
        }
    }
}

/// A matrix with more rows than one dimension of a launch may have workgroups for.
#[test]
fn many_outputs() {
    let rows = 200_000;
    let (bytes, weights) = matrix(Quant::Q8, 32, &[rows]);
    let x = values(3, 32);
    let expected = exact(&x, &weights, 32);
    for name in ["cpu", "wgpu"] {
        let device = crate::device(name).device;
        let matrix = on(&device, Quant::Q8, 32, &bytes);
        let x = Tensor::<2>::from_data(TensorData::new(x.clone(), [1, 32]), &device);
        let y = product(x, &Matrix::Quantized(&matrix), Fused::default());
        let y = crate::block_on(read(y)).unwrap();
        within(limit(name), name, &y, &expected);
    }
}

/// On either side of a tile's edge; columns that no tile divides, and some that the kernels do not take.
#[test]
fn matrices_of_floats() {
    let (cpu, gpu) = (crate::device("cpu").device, crate::device("wgpu").device);
    for (columns, outputs) in [(4, 1), (36, 5), (64, 64), (588, 67), (1024, 130), (30, 9)] {
        let weights = values(7, outputs * columns);
        for rows in [1, 2, 8, 9, 63, 64, 65] {
            let x = values(rows as u64, rows * columns);
            let expected = exact(&x, &weights, columns);
            let what = format!("{rows} x {columns} by {outputs}");
            for (name, device) in [("cpu", &cpu), ("wgpu", &gpu)] {
                let tensor = |values: &[f32], rows| {
                    let data = TensorData::new(values.to_vec(), [rows, columns]);
                    Tensor::<2>::from_data(data, device)
                };
                let before = launches();
                let weights = Matrix::Float(tensor(&weights, outputs));
                let (y, ..) = crate::read_checked(|| {
                    let y = product(tensor(&x, rows), &weights, Fused::default());
                    assert_eq!(y.dims(), [rows, outputs]);
                    y
                });
                let kernel_ran = launches() > before;
                let expects_one = name == "wgpu" && columns % 4 == 0;
                assert!(kernel_ran || !expects_one, "{what}: no kernel ran");
                compare(&format!("{what} on {name}"), &y, &expected);
            }
        }
    }
}

/// What is asked to go with a product, in numbers.
struct Around {
    norm: Option<Vec<f32>>,
    gated: bool,
    bias: Option<Vec<f32>>,
    activation: Option<Activation>,
    residual: Option<Vec<f32>>,
}

const EPS: f64 = 1e-5;

impl Around {
    fn on(&self, device: &Device, rows: usize) -> Fused {
        let vector = |values: &Vec<f32>| {
            let data = TensorData::new(values.clone(), [values.len()]);
            Tensor::<1>::from_data(data, device)
        };
        let matrix = |values: &Vec<f32>| vector(values).reshape([rows, values.len() / rows]);
        Fused {
            norm: self.norm.as_ref().map(|weight| (vector(weight), EPS)),
            gated: self.gated,
            bias: self.bias.as_ref().map(vector),
            activation: self.activation,
            residual: self.residual.as_ref().map(matrix),
        }
    }

    fn exact(&self, x: &[f32], weights: &[f32], columns: usize) -> Vec<f64> {
        let sigmoid = |y: f64| 1.0 / (1.0 + (-y).exp());
        let mut all = Vec::new();
        for x in x.chunks(columns) {
            let mean = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / columns as f64;
            let normed = |at: usize| match &self.norm {
                Some(weight) => f64::from(x[at]) / (mean + EPS).sqrt() * f64::from(weight[at]),
                None => f64::from(x[at]),
            };
            let x: Vec<f64> = (0..columns).map(normed).collect();
            let product = |w: &[f32]| x.iter().zip(w).map(|(x, &w)| x * f64::from(w)).sum();
            let y: Vec<f64> = weights.chunks(columns).map(product).collect();
            let (gate, up) = y.split_at(y.len() / 2);
            let gated = gate
                .iter()
                .zip(up)
                .map(|(gate, up)| gate * sigmoid(*gate) * up);
            let y = if self.gated { gated.collect() } else { y };
            for (at, mut y) in y.into_iter().enumerate() {
                y += self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[at]));
                y = match self.activation {
                    Some(Activation::QuickGelu) => y * sigmoid(1.702 * y),
                    Some(Activation::GeluTanh) => {
                        let inner = (y + 0.044_715 * y.powi(3)) * FRAC_2_PI.sqrt();
                        0.5 * y * (1.0 + inner.tanh())
                    }
                    Some(Activation::Gelu) => 0.5 * y * (1.0 + erf(y / 2.0_f64.sqrt())),
                    None => y,
                };
                let residual = self.residual.as_ref();
                all.push(y + residual.map_or(0.0, |residual| f64::from(residual[all.len()])));
            }
        }
        all
    }
}

/// By its power series, which is exact enough for the few units that values here have.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    if x.abs() > 5.0 {
        x.signum()
    } else {
        sum * FRAC_2_SQRT_PI
    }
}

/// Each thing that is fused into a product, by itself and all together; matrices of floats and quantised ones, few rows and
/// many, on either side of a tile's edge. A matrix in several pieces is never gated in one launch.
#[test]
fn what_is_fused_into_a_product() {
    let (cpu, gpu) = (crate::device("cpu").device, crate::device("wgpu").device);
    for (columns, pieces) in [
        (32, vec![2]),
        (96, vec![66]),
        (64, vec![34, 30]),
        (160, vec![130]),
    ] {
        let outputs: usize = pieces.iter().sum();
        for rows in [1, 3, 9, 66] {
            let x = values(rows as u64, rows * columns);
            for case in 0..8 {
                let is = |wanted: usize| case == wanted || case == 5;
                let gated = case == 1 || case == 6;
                let outputs = if gated { outputs / 2 } else { outputs };
                let around = Around {
                    norm: (is(0) || case == 6).then(|| values(50, columns)),
                    gated,
                    bias: is(2).then(|| values(51, outputs)),
                    activation: match case {
                        3 => Some(Activation::QuickGelu),
                        5 => Some(Activation::GeluTanh),
                        7 => Some(Activation::Gelu),
                        _ => None,
                    },
                    residual: is(4).then(|| values(52, rows * outputs)),
                };
                for quant in [None, Some(Quant::Q4), Some(Quant::Q8)] {
                    let (bytes, weights) = matrix(quant.unwrap_or(Quant::Q8), columns, &pieces);
                    let expected = around.exact(&x, &weights, columns);
                    for (name, device) in [("cpu", &cpu), ("wgpu", &gpu)] {
                        let tensor = |values: &[f32], rows| {
                            let data = TensorData::new(values.to_vec(), [rows, columns]);
                            Tensor::<2>::from_data(data, device)
                        };
                        let quantized = quant.map(|quant| on(device, quant, columns, &bytes));
                        let matrix = match &quantized {
                            Some(matrix) => Matrix::Quantized(matrix),
                            None => Matrix::Float(tensor(&weights, weights.len() / columns)),
                        };
                        let before = launches();
                        let (y, ..) = crate::read_checked(|| {
                            product(tensor(&x, rows), &matrix, around.on(device, rows))
                        });
                        let launched = launches() - before;
                        let what = format!("{rows} x {columns} by {pieces:?}, {quant:?}, {case}");
                        if name == "wgpu" && pieces.len() == 1 {
                            let norms = u64::from(around.norm.is_some() && rows > 8);
                            assert_eq!(launched, 1 + norms, "{what}");
                        }
                        let limit = quant.map_or(LIMIT, |_| limit(name));
                        within(limit, &format!("{what} on {name}"), &y, &expected);
                    }
                }
            }
        }
    }
}

/// Matrices above one another are one matrix; those that cannot be are not.
#[test]
fn matrices_are_stacked() {
    let gpu = crate::device("wgpu").device;
    let heights = [5, 8, 3];
    for quant in [Quant::Q4, Quant::Q8] {
        let mut stack = Stack::new(quant, &heights, 128).unwrap();
        let mut weights = Vec::new();
        for rows in heights {
            let (bytes, means) = matrix(quant, 128, &[rows]);
            stack.push(&bytes[0].1).unwrap();
            weights.extend(means);
        }
        let bytes = Bytes::from(stack.into_bytes());
        let stacked = on(&gpu, quant, 128, &[(16, bytes)]);
        for rows in [1, 20] {
            let x = values(9, rows * 128);
            let expected = exact(&x, &weights, 128);
            let x = Tensor::<2>::from_data(TensorData::new(x, [rows, 128]), &gpu);
            let y = product(x, &Matrix::Quantized(&stacked), Fused::default());
            compare("stacked", &crate::block_on(read(y)).unwrap(), &expected);
        }
    }
    // Three block scales are padded to four bytes: nothing can stand behind them.
    assert!(Stack::new(Quant::Q4, &[3, 4], 32).is_none());
    // Bytes of another matrix, one too many, and a scale that is no number.
    let (bytes, _) = matrix(Quant::Q4, 128, &[4]);
    let refused = |heights: &[usize], bytes: &[u8]| {
        let mut stack = Stack::new(Quant::Q4, heights, 128).unwrap();
        stack.push(bytes).unwrap_err().to_string()
    };
    assert!(refused(&[5], &bytes[0].1).contains("5 rows of 128"));
    assert!(refused(&[], &bytes[0].1).contains("0 rows of 128"));
    let mut broken = bytes[0].1.to_vec();
    let last = broken.len() - 4;
    broken[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(refused(&[4], &broken).contains("row 3 is not finite"));
}

#[test]
fn bytes_that_are_no_matrix_are_refused() {
    let mut matrix = QuantizedMatrix::new(64);
    let device = crate::device("cpu").device;
    let error = matrix
        .push(Quant::Q4, 3, Bytes::from(vec![0; 100]), &device)
        .unwrap_err();
    assert!(
        error.to_string().contains("100 bytes for 3 rows"),
        "{error}"
    );
    assert!(matrix.pieces.is_empty());
}
