//! Keeps intermediate tensors under the names of the fixtures, for parity runs and
//! `inf-llava stages`. A recorder that is off costs nothing.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpu::read::read;
use crate::spec::Crop;

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
    /// [`crate::Error::Device`] if the device cannot give the values.
    pub async fn into_stages(self) -> Result<BTreeMap<String, Stage>> {
        let mut stages = BTreeMap::new();
        for (name, (shape, tensor)) in self.kept {
            let values = read(tensor).await?;
            stages.insert(name, Stage { shape, values });
        }
        Ok(stages)
    }
}
