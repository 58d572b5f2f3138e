//! Measures which kernel variants are fastest on an adapter, when its device is created.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::adapter::{self, Adapter, Variants};
use super::ops::{Fused, Matrix, product, self_attention};
use super::pace::Speeds;
use super::self_test::{is_close, limit_of};
use crate::error::Result;
use crate::gpu::quantized::QuantizedMatrix;
use crate::gpu::read::{read, settle};
use crate::platform::Timer;
use crate::quant::Quant;

/// Candidate numbers of threads that share a row of a quantised matrix.
const LANES: [usize; 3] = [8, 16, 32];
/// A matrix as in decoding one token, as wide as the released decoder.
const DECODED_WITH: [usize; 2] = [2048, 4096];
/// Rows of x, outputs and columns for measuring tiles: small sizes first, so that a slow adapter is not busy for
/// long.
const TILED: [[usize; 3]; 3] = [[64, 256, 1024], [256, 1024, 1024], [640, 4096, 4096]];
/// A measurement is repeated until it takes this long, or up to this many launches.
const LONG_ENOUGH_MS: f64 = 4.0;
const MOST_LAUNCHES: usize = 256;
/// Repetitions of each measurement, of which the fastest counts.
const ROUNDS: usize = 3;
/// f16 is used only if its time is below this fraction of f32's.
const WORTH_ITS_ERROR: f64 = 0.95;

/// Measures the fastest variants on `device` that give the same result, all in f32; and whether f16 would be faster.
///
/// # Errors
/// [`crate::Error::Device`] if the device fails.
pub async fn measure(device: &Device) -> Result<Measured> {
    let adapter = adapter::of(device);
    let measured = measure_with(device, &adapter).await;
    adapter::set_variants(device, adapter.variants);
    measured
}

/// The result of [`measure`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The fastest in f32.
    pub variants: Variants,
    /// Whether the same variants with f16 tiles are faster.
    pub half_is_quicker: bool,
    /// The speeds of these variants, used to keep submissions short.
    pub speeds: Speeds,
}

impl Measured {
    /// Whether the values are plausible for an adapter with subgroups of `subgroup` threads.
    pub fn is_possible(&self, subgroup: usize) -> bool {
        let are_known = candidates(subgroup).any(|candidate| candidate == self.variants);
        are_known && self.speeds.are_possible()
    }
}

async fn measure_with(device: &Device, adapter: &Adapter) -> Result<Measured> {
    let [rows, columns] = DECODED_WITH;
    let matrix = some_matrix(rows, columns, device)?;
    let candidates: Vec<Variants> = candidates(adapter.subgroup).collect();
    let quickest = quickest(device, &matrix, 1, &candidates).await?;
    let variants = quickest.first().map_or(Variants::PORTABLE, |best| best.0);
    let half_is_quicker = adapter.has_half && half_is_quicker(device, variants).await?;
    adapter::set_variants(device, variants);
    Ok(Measured {
        variants,
        half_is_quicker,
        speeds: speeds(device).await?,
    })
}

/// Sizes for measuring speeds: rows, outputs and columns of the products; crops, tokens, heads and head width of the
/// attention. Some milliseconds on a software adapter.
const FEW_BY: [usize; 3] = [1, 1024, 1024];
const MANY_BY: [usize; 3] = [64, 256, 256];
const ATTENDED: [usize; 4] = [1, 128, 4, 64];

async fn speeds(device: &Device) -> Result<Speeds> {
    let of_product = async |[rows, outputs, columns]: [usize; 3], quantized: bool| {
        let x = wave([rows, columns], device);
        let bits = some_matrix(outputs, columns, device)?;
        let floats = wave([outputs, columns], device);
        let matrix = match quantized {
            true => Matrix::Quantized(&bits),
            false => Matrix::Float(floats),
        };
        let run = || product(x.clone(), &matrix, Fused::default());
        let multiply_adds = (rows * outputs * columns) as f64;
        speed(multiply_adds, &run).await
    };
    let [crops, tokens, heads, head_dim] = ATTENDED;
    let [q, k, v] = [(); 3].map(|()| wave([crops, tokens, heads * head_dim], device));
    let attend = || {
        let mixed = self_attention(heads, q.clone(), k.clone(), v.clone());
        mixed.reshape([crops * tokens, heads * head_dim])
    };
    let attended = 2 * crops * tokens * tokens * heads * head_dim;
    Ok(Speeds {
        matmul: of_product(MANY_BY, false).await?,
        quantized_matmul: of_product(MANY_BY, true).await?,
        matvec: of_product(FEW_BY, false).await?,
        quantized_matvec: of_product(FEW_BY, true).await?,
        attention: speed(attended as f64, &attend).await?,
    })
}

/// Multiply-adds per millisecond of `run`, which performs `multiply_adds`.
async fn speed(multiply_adds: f64, run: &impl Fn() -> Tensor<2>) -> Result<f64> {
    let launches = long_enough(run).await?;
    let mut quickest_ms = f64::INFINITY;
    for _ in 0..ROUNDS {
        quickest_ms = quickest_ms.min(time(launches, run).await?);
    }
    // Browsers round their clocks, so the elapsed time may be 0.
    Ok(multiply_adds * launches as f64 / quickest_ms.max(0.1))
}

fn wave<const D: usize>(dims: [usize; D], device: &Device) -> Tensor<D> {
    let count = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|i: usize| (i as f32 * 0.37).sin()).collect();
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Combinations of lanes and subgroups: with subgroups, at most as many lanes as the subgroup has threads.
fn candidates(subgroup: usize) -> impl Iterator<Item = Variants> {
    let plain = LANES.map(|lanes| Variants {
        lanes,
        ..Variants::PORTABLE
    });
    let through_subgroups = plain
        .into_iter()
        .filter(move |variants| subgroup >= variants.lanes.max(Variants::LEAST_SUBGROUP))
        .map(|variants| Variants {
            subgroups: true,
            ..variants
        });
    plain.into_iter().chain(through_subgroups)
}

async fn half_is_quicker(device: &Device, variants: Variants) -> Result<bool> {
    let half = Variants {
        half: true,
        ..variants
    };
    let mut found = Vec::new();
    for [rows, outputs, columns] in TILED {
        let matrix = some_matrix(outputs, columns, device)?;
        found = quickest(device, &matrix, rows, &[variants, half]).await?;
        if found.iter().any(|&(_, ms)| ms >= LONG_ENOUGH_MS) {
            break;
        }
    }
    let ms_of = |wanted| found.iter().find(|(of, _)| *of == wanted).map(|of| of.1);
    Ok(match (ms_of(half), ms_of(variants)) {
        (Some(half), Some(plain)) => half < plain * WORTH_ITS_ERROR,
        _ => false,
    })
}

/// Those of the `candidates` whose results are right, with the milliseconds per product, the fastest first. The first
/// candidate's result is the reference.
async fn quickest(
    device: &Device,
    matrix: &QuantizedMatrix,
    rows: usize,
    candidates: &[Variants],
) -> Result<Vec<(Variants, f64)>> {
    let x = wave([rows, matrix.columns], device);
    let run = || product(x.clone(), &Matrix::Quantized(matrix), Fused::default());

    let mut right: Vec<(Variants, f64)> = Vec::new();
    let mut expected = Vec::new();
    for &variants in candidates {
        adapter::set_variants(device, variants);
        let found = read(run()).await?;
        if right.is_empty() {
            expected = found;
        } else if !is_close(&found, &expected, limit_of(variants)) {
            continue;
        }
        right.push((variants, f64::INFINITY));
    }
    let launches = long_enough(&run).await?;
    // In turn, since a disturbance often lasts longer than one measurement.
    for _ in 0..ROUNDS {
        for (variants, quickest) in &mut right {
            adapter::set_variants(device, *variants);
            *quickest = quickest.min(time(launches, &run).await? / launches as f64);
        }
    }
    right.sort_by(|a, b| a.1.total_cmp(&b.1));
    Ok(right)
}

/// A 4-bit matrix on `device`; its values do not affect the time.
fn some_matrix(rows: usize, columns: usize, device: &Device) -> Result<QuantizedMatrix> {
    let bytes = (0..Quant::Q4.layout(rows, columns)?.bytes()).map(|i| (i * 89 % 251) as u8);
    let mut bytes: Vec<u8> = bytes.collect();
    let row_scales = bytes.len() - rows * size_of::<f32>();
    for scale in bytes[row_scales..].as_chunks_mut().0 {
        *scale = 1e-4f32.to_le_bytes();
    }
    let mut matrix = QuantizedMatrix::new(columns);
    matrix.push(Quant::Q4, rows, Bytes::from(bytes), device)?;
    Ok(matrix)
}

/// How many launches a measurement needs.
async fn long_enough(run: &impl Fn() -> Tensor<2>) -> Result<usize> {
    let mut launches = 1;
    while launches < MOST_LAUNCHES {
        // Twice, since the first launch of a kind may be slow for other reasons.
        let ms = time(launches, run).await?.min(time(launches, run).await?);
        if ms >= LONG_ENOUGH_MS {
            break;
        }
        launches *= 2;
    }
    Ok(launches)
}

async fn time(launches: usize, run: &impl Fn() -> Tensor<2>) -> Result<f64> {
    let timer = Timer::start();
    let results: Vec<Tensor<2>> = (0..launches).map(|_| run()).collect();
    if let Some(last) = results.last() {
        settle(last).await?;
    }
    Ok(timer.elapsed_ms())
}
