//! The cost of launching a trivial operation.

use burn::tensor::{Device, Tensor};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::gpu::read::read;
use crate::platform::Timer;

/// The cost of an element-wise operation, averaged over many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LaunchCost {
    /// Milliseconds until the call returns: the host's cost.
    pub host_ms: f64,
    /// Milliseconds including the device's work and the final read.
    pub total_ms: f64,
}

/// Adds one to a row of 4096 `count` times, on `device`, and reads it back.
///
/// # Errors
/// [`Error::NotFinite`] if the sum is wrong, which means that an operation did not run.
pub async fn launch_cost(device: &Device, count: u32) -> Result<LaunchCost> {
    let row = Tensor::<1>::zeros([4096], device);
    read(row.clone().add_scalar(1.0)).await?;
    let timer = Timer::start();
    let mut sum = row;
    for _ in 0..count {
        sum = sum.add_scalar(1.0);
    }
    let host_ms = timer.elapsed_ms() / f64::from(count);
    let values = read(sum).await?;
    let total_ms = timer.elapsed_ms() / f64::from(count);
    match values.iter().all(|&value| value == count as f32) {
        true => Ok(LaunchCost { host_ms, total_ms }),
        false => Err(Error::NotFinite {
            stage: "the launch benchmark".into(),
        }),
    }
}
