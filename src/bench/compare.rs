//! Helpers shared by the benchmarks: random inputs, comparison with reference results, and medians.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{Error, Result};
use crate::gpu::adapter;

/// The median of several times; with an even count, the larger of the middle two.
pub fn median(ms: &[f64]) -> f64 {
    let mut ms = ms.to_vec();
    ms.sort_by(f64::total_cmp);
    ms.get(ms.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Uniformly distributed values between `-scale` and `scale`.
pub(super) fn uniform(seed: u64, count: usize, scale: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .map(|_| random.random_range(-scale..scale))
        .collect()
}

/// A tensor of [`uniform`] values.
pub(super) fn random<const D: usize>(
    seed: u64,
    dims: [usize; D],
    scale: f32,
    device: &Device,
) -> Tensor<D> {
    let values = uniform(seed, dims.iter().product(), scale);
    Tensor::from_data(TensorData::new(values, dims), device)
}

/// The factor by which the error limit grows where tiles hold f16.
const HALF: f64 = 100.0;

/// The largest error relative to the root mean square of the expected values, on `device`.
///
/// # Errors
/// [`Error::Device`] if it exceeds the limit for the device's precision (`limit` in f32), a value is NaN, or the
/// lengths differ.
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
    // False for NaN.
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
    // `max` would ignore NaN.
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
