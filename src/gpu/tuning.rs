//! What is quickest is another thing on another adapter: measured when its device is made.

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::adapter::{self, Adapter, Variants};
use super::ops::{Matrix, With, product};
use super::self_test::{HALF_LIMIT, is_close};
use crate::error::Result;
use crate::nn::QuantizedMatrix;
use crate::stages::{read, settle};
use crate::timer::Timer;
use crate::weights::quantize::Quant;

/// Threads that may share a row of a quantised matrix.
const LANES: [usize; 3] = [8, 16, 32];
/// The matrix that a token is decoded with, as wide as the released decoder.
const DECODED_WITH: [usize; 2] = [2048, 4096];
/// The matrix, and the rows of x, that tiles are measured with: small first, so that a slow adapter is not kept long.
const TILED: [[usize; 3]; 3] = [[64, 256, 1024], [256, 1024, 1024], [640, 4096, 4096]];
/// A measurement is repeated until it takes so long, or so often.
const LONG_ENOUGH_MS: f64 = 4.0;
const MOST_LAUNCHES: usize = 256;
/// Measurements of each, of which the quickest counts.
const ROUNDS: usize = 3;
/// f16 must be quicker by so much to be taken.
const WORTH_ITS_ERROR: f64 = 0.95;

/// The quickest variants on `device` of those that compute the same, all in f32; and whether f16 would be quicker.
///
/// # Errors
/// [`crate::Error::Device`] if the device fails.
pub async fn measure(device: &Device) -> Result<Measured> {
    let adapter = adapter::of(device);
    let measured = measure_with(device, &adapter).await;
    adapter::set_variants(device, adapter.variants);
    measured
}

/// What [`measure`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// In f32.
    pub variants: Variants,
    /// Whether the same with f16 in tiles takes less.
    pub half_is_quicker: bool,
}

impl Measured {
    /// Whether it could have been measured on an adapter with subgroups of so many threads.
    pub fn is_possible(&self, subgroup: usize) -> bool {
        candidates(subgroup).any(|candidate| candidate == self.variants)
    }
}

async fn measure_with(device: &Device, adapter: &Adapter) -> Result<Measured> {
    let [rows, columns] = DECODED_WITH;
    let matrix = some_matrix(rows, columns, device)?;
    let candidates: Vec<Variants> = candidates(adapter.subgroup).collect();
    let quickest = quickest(device, &matrix, 1, &candidates).await?;
    let variants = quickest.first().map_or(Variants::PORTABLE, |best| best.0);
    Ok(Measured {
        variants,
        half_is_quicker: adapter.has_half && half_is_quicker(device, variants).await?,
    })
}

/// Of lanes and subgroups: no more lanes go together than a subgroup has.
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

/// Those of the `candidates` that are right, with the milliseconds that a product takes with each, the quickest first.
/// The first candidate tells what is right.
async fn quickest(
    device: &Device,
    matrix: &QuantizedMatrix,
    rows: usize,
    candidates: &[Variants],
) -> Result<Vec<(Variants, f64)>> {
    let count = rows * matrix.columns;
    let x: Vec<f32> = (0..count).map(|i| (i as f32 * 0.37).sin()).collect();
    let x = Tensor::<2>::from_data(TensorData::new(x, [rows, matrix.columns]), device);
    let run = || product(x.clone(), &Matrix::Quantized(matrix), With::default());

    let mut right: Vec<(Variants, f64)> = Vec::new();
    let mut expected = Vec::new();
    for &variants in candidates {
        adapter::set_variants(device, variants);
        let found = read(run()).await?;
        if right.is_empty() {
            expected = found;
        } else if !is_close(&found, &expected, HALF_LIMIT) {
            continue;
        }
        right.push((variants, f64::INFINITY));
    }
    let launches = long_enough(&run).await?;
    // In turns, since what disturbs one measurement often disturbs the next.
    for _ in 0..ROUNDS {
        for (variants, quickest) in &mut right {
            adapter::set_variants(device, *variants);
            *quickest = quickest.min(time(launches, &run).await? / launches as f64);
        }
    }
    right.sort_by(|a, b| a.1.total_cmp(&b.1));
    Ok(right)
}

/// A 4-bit matrix on `device`: what it takes does not depend on what it says.
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

/// How often it must run to be measured.
async fn long_enough(run: &impl Fn() -> Tensor<2>) -> Result<usize> {
    let mut launches = 1;
    while launches < MOST_LAUNCHES {
        // Twice, since the first of a kind may take long for other reasons.
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
