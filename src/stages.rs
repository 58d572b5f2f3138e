//! Keeps intermediate tensors under the names of the fixtures, for parity runs and
//! `inf-llava stages`. A recorder that is off costs nothing.

use std::collections::BTreeMap;

use burn::tensor::{Device, Int, Tensor};

use crate::error::{Error, Result};
use crate::gpu::adapter::{self, Failure, FailureKind};
use crate::gpu::pace;
use crate::vision::plan::Crop;

/// A recorded tensor: shape and f32 values on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// Collects tensors by name.
#[derive(Default)]
pub struct Recorder {
    on: bool,
    kept: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
}

impl Recorder {
    /// One that keeps nothing.
    pub fn off() -> Self {
        Recorder::default()
    }

    /// One that keeps everything.
    pub fn on() -> Self {
        Recorder {
            on: true,
            kept: BTreeMap::new(),
        }
    }

    /// Whether anything is kept, for callers whose tensor costs something to make.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Keeps `tensor` under `name`, replacing what was there.
    pub fn keep<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        if self.on {
            let shape = tensor.dims().to_vec();
            let count: usize = shape.iter().product();
            self.kept
                .insert(name.to_string(), (shape, tensor.clone().reshape([count])));
        }
    }

    /// Keeps a crop's pixels `[3, P, P]`: local and global ones are stacked as `crops_local` and
    /// `crops_global` in the order they come, the low-resolution image is `low`.
    pub fn keep_crop(&mut self, crop: Crop, pixels: Tensor<3>) {
        match crop {
            Crop::Local(..) => self.append("crops_local", pixels),
            Crop::Global(..) => self.append("crops_global", pixels),
            Crop::Low => self.keep("low", &pixels),
        }
    }

    fn append(&mut self, name: &str, item: Tensor<3>) {
        if !self.on {
            return;
        }
        let dims = item.dims();
        let count: usize = dims.iter().product();
        let item = item.reshape([count]);
        let (shape, values) = match self.kept.remove(name) {
            None => (vec![1, dims[0], dims[1], dims[2]], item),
            Some((mut shape, values)) => {
                shape[0] += 1;
                (shape, Tensor::cat(vec![values, item], 0))
            }
        };
        self.kept.insert(name.to_string(), (shape, values));
    }

    /// Reads everything back.
    ///
    /// # Errors
    /// [`Error::Device`] if the device cannot give the values.
    pub async fn into_stages(self) -> Result<BTreeMap<String, Stage>> {
        let mut stages = BTreeMap::new();
        for (name, (shape, tensor)) in self.kept {
            let values = read(tensor).await?;
            stages.insert(name, Stage { shape, values });
        }
        Ok(stages)
    }
}

/// Reads a tensor's f32 values.
///
/// # Errors
/// [`Error::DeviceLost`], [`Error::OutOfMemory`]; [`Error::Device`] if a kernel failed. Since what was read then is not to
/// be relied on, a failure is told by every read of the device until [`adapter::take_failure`].
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    let device = tensor.device();
    pace::end_submission(&device);
    let data = tensor.into_data_async().await;
    // The bytes may still be on their way, and fail there.
    let values = data.map(|data| data.try_into_vec().map_err(|e| format!("{e:?}")));
    checked(&device, values.unwrap_or_else(|e| Err(e.to_string()))).await
}

/// Reads a tensor's one integer.
///
/// # Errors
/// As [`read`].
pub async fn read_int(tensor: Tensor<1, Int>) -> Result<i32> {
    let device = tensor.device();
    pace::end_submission(&device);
    let data = tensor.into_data_async().await;
    let values = data.map(|data| data.try_into_vec().map_err(|e| format!("{e:?}")));
    let values = checked(&device, values.unwrap_or_else(|e| Err(e.to_string()))).await?;
    values
        .first()
        .copied()
        .ok_or_else(|| failed("nothing came back".into()))
}

/// What was read, unless the read or anything before it failed.
async fn checked<T>(device: &Device, values: Result<Vec<T>, String>) -> Result<Vec<T>> {
    if values.is_err() {
        adapter::look_after(device).await;
    }
    pace::observe(device);
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

/// Waits until `tensor` has been computed, by reading one of its numbers.
///
/// # Errors
/// As [`read`].
pub async fn settle<const D: usize>(tensor: &Tensor<D>) -> Result<()> {
    let count = tensor.dims().iter().product::<usize>();
    read(tensor.clone().reshape([count]).narrow(0, 0, 1))
        .await
        .map(|_| ())
}
