//! The self-test: before a model runs, every kernel computes a small case, and the result is compared with the CPU's.
//! A wrong kernel is disabled; its operation uses the reference implementation.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;

use super::adapter::{self, Variants};
use super::kernel::Kernel;
use super::ops::{
    Canvas, Causal, Cut, DemShape, Fused, Matrix, ViewShape, argmax, attention_map,
    causal_attention, crop_patchify, dem_attention, kernels, layer_norm, product, rms_norm,
    rotary_cache, self_attention,
};
use crate::error::{Error, Result};
use crate::gpu::layer_cache::LayerCache;
use crate::gpu::quantized::QuantizedMatrix;
use crate::gpu::read::read;
use crate::gpu::rope::Rope;
use crate::image::Normalise;
use crate::quant::{BLOCK, Quant};
use crate::spec::{Activation, Crop, RopeSpec};

/// Largest error allowed, relative to the largest expected value.
const LIMIT: f32 = 1e-4;
/// The same with f16 tiles: f16 has 11 bits, and an error in an attention score, of up to ten, is amplified in its
/// weight.
const HALF_LIMIT: f32 = 1e-2;

/// Largest error allowed for kernels in `variants`, relative to the largest expected value.
pub(super) fn limit_of(variants: Variants) -> f32 {
    match variants.half {
        true => HALF_LIMIT,
        false => LIMIT,
    }
}

/// A small case of an operation, which tests one of its kernels.
#[derive(Clone, Copy)]
pub struct Case {
    /// The kernel that it tests.
    pub kernel: Kernel,
    /// Computes the case: the same values on every device.
    pub run: fn(&Device) -> Result<Tensor<1>>,
}

/// At least one case for every kernel.
pub const CASES: &[Case] = &[
    Case::new(kernels::CROP_PATCHIFY, crop),
    Case::new(kernels::NORM, norm),
    Case::new(kernels::MATVEC, |device| floats(1, device)),
    Case::new(kernels::MATMUL, |device| floats(70, device)),
    Case::new(kernels::QUANTIZED_MATVEC, |device| {
        quantized(Quant::Q4, 1, device)
    }),
    Case::new(kernels::QUANTIZED_MATVEC, all_lanes),
    Case::new(kernels::QUANTIZED_MATVEC, |device| {
        quantized(Quant::Q8, 1, device)
    }),
    Case::new(kernels::QUANTIZED_MATMUL, |device| {
        quantized(Quant::Q4, 70, device)
    }),
    Case::new(kernels::QUANTIZED_MATMUL, |device| {
        quantized(Quant::Q8, 70, device)
    }),
    Case::new(kernels::ATTENTION, |device| attention(70, device)),
    Case::new(kernels::ATTENTION, between_crops),
    Case::new(kernels::ATTENTION, between_maps),
    Case::new(kernels::DECODE_ATTENTION, |device| attention(1, device)),
    Case::new(kernels::ATTENTION_MAP, map),
    Case::new(kernels::ROTARY_CACHE, rotary),
    Case::new(kernels::ARGMAX, largest),
];

impl Case {
    /// A case that tests `kernel` by calling `run`.
    pub const fn new(kernel: Kernel, run: fn(&Device) -> Result<Tensor<1>>) -> Self {
        Case { kernel, run }
    }
}

/// Runs `cases` on `device`, disables the kernels that are wrong there, and returns their names.
///
/// # Errors
/// [`Error::DeviceLost`] if the device is lost.
pub async fn self_test(device: &Device, cases: &[Case]) -> Result<Vec<&'static str>> {
    let wrong = wrong_kernels(device, cases).await?;
    for name in &wrong {
        adapter::distrust(device, name);
    }
    Ok(wrong)
}

/// Runs `cases` on `device` and returns the names of the kernels that are wrong there.
///
/// # Errors
/// As [`self_test`].
pub async fn wrong_kernels(device: &Device, cases: &[Case]) -> Result<Vec<&'static str>> {
    let limit = limit_of(adapter::variants(device));
    // All are launched before the first is read, so that their pipelines compile in the meantime.
    let mut found = Vec::with_capacity(cases.len());
    for case in cases {
        found.push((case.run)(device)?);
    }
    let mut wrong = Vec::new();
    for (case, found) in cases.iter().zip(found) {
        let expected = read((case.run)(&Device::flex())?).await?;
        let mut found = read(found).await;
        if !found
            .as_ref()
            .is_ok_and(|found| is_close(found, &expected, limit))
        {
            // Another case may have caused the failure: a failing launch invalidates everything submitted with it.
            adapter::take_failure(device);
            found = match (case.run)(device) {
                Ok(found) => read(found).await,
                Err(error) => Err(error),
            };
        }
        match found {
            Ok(found) if is_close(&found, &expected, limit) => {}
            Err(error @ Error::DeviceLost { .. }) => return Err(error),
            _ if wrong.contains(&case.kernel.name) => {}
            _ => wrong.push(case.kernel.name),
        }
    }
    adapter::take_failure(device);
    Ok(wrong)
}

/// Whether `found` equals `expected` within `limit` times the largest expected value.
pub(super) fn is_close(found: &[f32], expected: &[f32], limit: f32) -> bool {
    let size = expected
        .iter()
        .fold(0.0f32, |size, value| size.max(value.abs()));
    let mut pairs = found.iter().zip(expected);
    // NaN is not close.
    found.len() == expected.len() && pairs.all(|(a, b)| (a - b).abs() <= limit * size)
}

/// Values between -1 and 1 without a short period.
fn wave<const D: usize>(step: f32, dims: [usize; D], device: &Device) -> Tensor<D> {
    let count = dims.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|i| (i as f32 * step).sin()).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

fn crop(device: &Device) -> Result<Tensor<1>> {
    let shape = ViewShape {
        view_px: 14,
        patch_px: 7,
        normalise: Normalise::CLIP,
    };
    let bytes = (0..28 * 28 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let crops = [Crop::Local(0, 1), Crop::Global(1, 0), Crop::Low];
    let views = crops.map(|crop| crop.view(2, 14));
    Ok(crop_patchify(shape, &Canvas::new(bytes, [28; 2], device), &views).flatten(0, 2))
}

fn norm(device: &Device) -> Result<Tensor<1>> {
    let x = wave(0.7, [3, 100], device) + 2.0;
    let (weight, bias) = (wave(0.3, [100], device), wave(0.2, [100], device));
    let rms = rms_norm(x.clone(), weight.clone(), 1e-5);
    let layer = layer_norm(x, weight, bias, 1e-5);
    Ok(Tensor::cat(vec![rms, layer], 0).flatten(0, 1))
}

/// A product with all fused operations.
fn everything(x: Tensor<2>, matrix: &Matrix<'_>) -> Tensor<1> {
    let [rows, columns] = x.dims();
    let device = x.device();
    let gated = Fused {
        // For many rows, another kernel computes the norm.
        norm: (rows == 1).then(|| (wave(0.4, [columns], &device), 1e-5)),
        gated: true,
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

/// Four heads and a sliding window that begins within the cache.
fn causal(start: usize) -> Causal {
    Causal {
        heads: 4,
        start,
        window: Some(start - 20),
    }
}

/// New tokens attending to a cache of more than one split, four query heads to two key/value heads.
fn attention(tokens: usize, device: &Device) -> Result<Tensor<1>> {
    let start = 300;
    let [keys, values] = [0.3, 0.7].map(|step| wave(step, [2, start + tokens, 32], device));
    let q = wave(0.9, [tokens, 4 * 32], device) * 3.0;
    Ok(causal_attention(causal(start), q, &keys, &values).flatten(0, 1))
}

/// The attention weights of two tokens, of which only the second attends to the last key.
fn map(device: &Device) -> Result<Tensor<1>> {
    let keys = wave(0.3, [2, 90, 32], device);
    let q = wave(0.9, [2, 4 * 32], device) * 3.0;
    Ok(attention_map(causal(70), q, &keys, 5..72).flatten(0, 2))
}

fn between_crops(device: &Device) -> Result<Tensor<1>> {
    let [q, k, v] = [0.9, 0.3, 0.7].map(|step| wave(step, [2, 70, 2 * 64], device));
    Ok(self_attention(2, q, k, v).flatten(0, 2))
}

/// The enhancement's tiles, whose rows are computed from indices.
fn between_maps(device: &Device) -> Result<Tensor<1>> {
    let shape = DemShape {
        crops_per_side: 3,
        tokens_per_side: 4,
        residues: vec![1],
        tiles: vec![0, 1, 2],
        heads: 2,
    };
    let q = wave(0.9, [16, 2 * 8], device);
    let [k, v] = [0.3, 0.7].map(|step| wave(step, [9, 16, 2 * 8], device));
    Ok(dem_attention(&shape, Cut::Tiles, q, k, v).flatten(0, 1))
}

fn rotary(device: &Device) -> Result<Tensor<1>> {
    let mut cache = LayerCache::new([2, 8, 16], device);
    let rope = Rope::of(8, RopeSpec::of_theta(10_000.0), 16, device);
    let q = rotary_cache(4, 3, wave(0.3, [2, 8 * 16], device), &rope, &mut cache);
    let (keys, values) = (cache.keys().clone(), cache.values().clone());
    let all = [q.flatten(0, 1), keys.flatten(0, 2), values.flatten(0, 2)];
    Ok(Tensor::cat(all.to_vec(), 0))
}

fn largest(device: &Device) -> Result<Tensor<1>> {
    let x = wave(0.37, [1, 1000], device);
    Ok(match argmax(&x) {
        Some(place) => place.float(),
        None => x.argmax(1).float().flatten(0, 1),
    })
}
