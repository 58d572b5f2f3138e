//! Products with matrices, quantised (against the definition of the bits) and of floats: every body, in f64.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;
use inf_llava::gpu::kernel::launches;
use inf_llava::gpu::ops::{linear, quantized_linear};
use inf_llava::gpu::reference;
use inf_llava::nn::QuantizedMatrix;
use inf_llava::stages::read;
use inf_llava::weights::quantize::Quant;
use rand::SeedableRng;
use rand::rand_core::Rng;
use rand_chacha::ChaCha8Rng;

/// Largest error over the root of the mean square.
const LIMIT: f64 = 2e-5;

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

fn compare(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let energy = expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64;
    for (&a, &b) in found.iter().zip(expected) {
        let error = (f64::from(a) - b).abs() / energy.sqrt();
        assert!(error <= LIMIT, "{what}: {a}, not {b}");
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
                    let y = quantized_linear(&matrix, x.clone());
                    assert_eq!(y.dims(), [rows, pieces.iter().sum()], "{what}");
                    let y = crate::block_on(read(y)).unwrap();
                    compare(&format!("{what} on {name}"), &y, &expected);
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
        let y = crate::block_on(read(quantized_linear(&matrix, x))).unwrap();
        compare(name, &y, &expected);
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
                let y = linear(tensor(&x, rows), tensor(&weights, outputs));
                let kernel_ran = launches() > before;
                let expects_one = name == "wgpu" && columns % 4 == 0;
                assert!(kernel_ran || !expects_one, "{what}: no kernel ran");
                assert_eq!(y.dims(), [rows, outputs]);
                let y = crate::block_on(read(y)).unwrap();
                compare(&format!("{what} on {name}"), &y, &expected);
            }
        }
    }
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
