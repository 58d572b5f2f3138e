//! Reads results from a device: the only place where the model's code waits for it.

use burn::tensor::{Device, Int, Tensor};

use super::adapter::{self, Failure, FailureKind};
use super::submissions;
use crate::error::{Error, Result};

/// Reads a tensor's f32 values.
///
/// # Errors
/// [`Error::DeviceLost`], [`Error::OutOfMemory`]; [`Error::Device`] if a kernel failed. Every read of the device
/// returns the failure until [`adapter::take_failure`], since results after it are unreliable.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let device = tensor.device();
    submissions::end_submission(&device);
    let data = tensor.into_data_async().await;
    // The bytes may still be in transit, and reading them may fail.
    let values = data.map(|data| data.try_into_vec().map_err(|e| format!("{e:?}")));
    checked(&device, values.unwrap_or_else(|e| Err(e.to_string()))).await
}

/// Reads a tensor's single integer.
///
/// # Errors
/// As [`read`].
pub async fn read_int(tensor: Tensor<1, Int>) -> Result<i32> {
    let device = tensor.device();
    submissions::end_submission(&device);
    let data = tensor.into_data_async().await;
    let values = data.map(|data| data.try_into_vec().map_err(|e| format!("{e:?}")));
    let values = checked(&device, values.unwrap_or_else(|e| Err(e.to_string()))).await?;
    values
        .first()
        .copied()
        .ok_or_else(|| failed("nothing came back".into()))
}

/// The values that were read, unless the read or an earlier operation failed.
async fn checked<T>(device: &Device, values: Result<Vec<T>, String>) -> Result<Vec<T>> {
    if values.is_err() {
        adapter::look_after(device).await;
    }
    submissions::observe(device);
    match (adapter::failure(device), values) {
        (None, values) => values.map_err(failed),
        (Some(Failure { kind, reason }), _) => Err(match kind {
            FailureKind::Lost => Error::DeviceLost { reason },
            FailureKind::OutOfMemory => Error::OutOfMemory { reason },
            FailureKind::Other => failed(reason),
        }),
    }
}

fn failed(reason: String) -> Error {
    Error::Device {
        device: "reading a result".into(),
        reason,
    }
}

/// Waits until `tensor` has been computed, by reading one of its values.
///
/// # Errors
/// As [`read`].
pub async fn settle<const D: usize>(tensor: &Tensor<D>) -> Result<()> {
    let count = tensor.dims().iter().product::<usize>();
    read(tensor.clone().reshape([count]).narrow(0, 0, 1))
        .await
        .map(|_| ())
}
