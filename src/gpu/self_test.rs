//! The self-test: before a model runs, every kernel computes a small case, and the result is compared with the CPU's.
//! A wrong kernel is disabled; its operation uses the reference implementation.

use burn::tensor::Device;

use super::adapter::{self, Variants};
use super::ops::Case;
use crate::error::{Error, Result};
use crate::gpu::read::read;

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

/// Runs `cases` on `device`, disables the kernels that are wrong there, and returns their names.
///
/// # Errors
/// [`Error::DeviceLost`] if the device is lost.
pub async fn self_test(device: &Device, cases: &[Case]) -> Result<Vec<&'static str>> {
    let wrong = wrong_kernels(device, cases).await?;
    for name in &wrong {
        adapter::disable_kernel(device, name);
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
