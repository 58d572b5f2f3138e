//! What is best is another thing on another adapter: measured once, when it is first used.

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;

use super::ops::{Matrix, With, product};
use super::self_test::is_close;
use crate::error::Result;
use crate::nn::QuantizedMatrix;
use crate::stages::{read, settle};
use crate::timer::Timer;
use crate::weights::quantize::Quant;

/// Threads that share a row of a quantised matrix: few cost least, many fill a large GPU.
const CANDIDATES: [usize; 3] = [8, 16, 32];
/// The matrix that is measured with, as wide as the released decoder.
const MATRIX: [usize; 2] = [2048, 4096];
/// A measurement is repeated until it takes so long, or so often.
const LONG_ENOUGH_MS: f64 = 4.0;
const MOST_LAUNCHES: usize = 256;
/// Measurements of each, of which the quickest counts.
const ROUNDS: usize = 3;

static LANES: AtomicUsize = AtomicUsize::new(CANDIDATES[0]);

/// At most so many threads share a row of a quantised matrix.
pub fn lanes() -> usize {
    LANES.load(Ordering::Relaxed)
}

/// Takes the quickest of the candidates on `device` that is right.
///
/// # Errors
/// [`crate::Error::Device`] if the device fails.
pub async fn tune(device: &Device) -> Result<()> {
    let [rows, columns] = MATRIX;
    let bytes = (0..Quant::Q4.layout(rows, columns)?.bytes()).map(|i| (i * 89 % 251) as u8);
    let mut bytes: Vec<u8> = bytes.collect();
    let row_scales = bytes.len() - rows * size_of::<f32>();
    for scale in bytes[row_scales..].as_chunks_mut().0 {
        *scale = 1e-4f32.to_le_bytes();
    }
    let mut matrix = QuantizedMatrix::new(columns);
    matrix.push(Quant::Q4, rows, Bytes::from(bytes), device)?;
    let x: Vec<f32> = (0..columns).map(|i| (i as f32 * 0.37).sin()).collect();
    let x = Tensor::<2>::from_data(TensorData::new(x, [1, columns]), device);
    let run = || product(x.clone(), &Matrix::Quantized(&matrix), With::default());

    let mut right: Vec<(usize, f64)> = Vec::new();
    let mut expected = Vec::new();
    for lanes in CANDIDATES {
        LANES.store(lanes, Ordering::Relaxed);
        let found = read(run()).await?;
        if right.is_empty() {
            expected = found;
        } else if !is_close(&found, &expected) {
            continue;
        }
        right.push((lanes, f64::INFINITY));
    }
    let launches = long_enough(&run).await?;
    // In turns, since what disturbs one measurement often disturbs the next.
    for _ in 0..ROUNDS {
        for (lanes, quickest) in &mut right {
            LANES.store(*lanes, Ordering::Relaxed);
            *quickest = quickest.min(time(launches, &run).await?);
        }
    }
    let best = right.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    LANES.store(best.map_or(CANDIDATES[0], |best| best.0), Ordering::Relaxed);
    Ok(())
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
