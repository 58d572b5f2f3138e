//! What measurements share: numbers to compute with, what was computed beside what is right, and the middle of several runs.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::gpu::adapter;

/// The median of what several runs took; the upper of the two in the middle.
pub fn median(ms: &[f64]) -> f64 {
    let mut ms = ms.to_vec();
    ms.sort_by(f64::total_cmp);
    ms.get(ms.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Uniformly drawn numbers between `-scale` and `scale`.
pub(super) fn uniform(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| random.random_range(-scale..scale))
        .collect()
}

/// A tensor of [`uniform`] numbers.
pub(super) fn random<const D: usize>(
    seed: u64,
    dims: [usize; D],
    scale: f32,
    device: &Device,
) -> Tensor<D> {
    let values = uniform(seed, dims.iter().product(), scale);
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// Times as far as f32's that results may be off where tiles hold f16.
const HALF: f64 = 100.0;

/// Largest error over the root of the mean square of what is right, on `device`.
///
/// # Errors
/// [`Error::Device`] if it is more than `limit` in f32, a value is NaN, or some are missing.
pub(super) fn check(
    device: &Device,
    name: &str,
    found: &[f32],
    expected: &[f32],
    limit: f64,
) -> Result<f64> {
    let limit = match adapter::variants(device).half {
        true => limit * HALF,
        false => limit,
    };
    let error = largest_error(found, expected);
    // NaN is not.
    let is_right = error <= limit;
    match is_right {
        true => Ok(error),
        false => Err(Error::Device {
            device: "the benchmark".into(),
            reason: format!(
                "{name} is off by {error:.1e} of its size, at most {limit:.0e} is right"
            ),
        }),
    }
}

fn largest_error(found: &[f32], expected: &[f32]) -> f64 {
    let squares: f64 = expected.iter().map(|&v| f64::from(v).powi(2)).sum();
    let size = (squares / expected.len() as f64).sqrt();
    let errors = found
        .iter()
        .zip(expected)
        .map(|(a, b)| f64::from(a - b).abs());
    // `max` would drop a NaN.
    let largest = errors.fold(
        0.0,
        |most: f64, e| if e.is_nan() || e > most { e } else { most },
    );
    if found.len() == expected.len() {
        largest / size
    } else {
        f64::NAN
    }
}
