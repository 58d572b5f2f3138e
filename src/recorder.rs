//! Records intermediate tensors under the names of the fixtures, for parity runs and `inf-llava stages`. A disabled
//! recorder costs nothing.

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
    /// A disabled recorder.
    pub fn off() -> Self {
        Recorder::default()
    }

    /// An enabled recorder.
    pub fn on() -> Self {
        Recorder {
            on: true,
            kept: BTreeMap::new(),
        }
    }

    /// Whether it is enabled, for callers to which the tensor itself has a cost.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Records `tensor` under `name`, replacing any earlier one.
    pub fn keep<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        if self.on {
            let shape = tensor.dims().to_vec();
            let count: usize = shape.iter().product();
            self.kept
                .insert(name.to_string(), (shape, tensor.clone().reshape([count])));
        }
    }

    /// Records a crop's pixels `[3, P, P]`: local and global ones are stacked as `crops_local` and `crops_global` in
    /// the order of the calls, the low-resolution image is `low`.
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

    /// Reads back everything that was recorded.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if reading from the device fails.
    pub async fn into_stages(self) -> Result<BTreeMap<String, Stage>> {
        let mut stages = BTreeMap::new();
        for (name, (shape, tensor)) in self.kept {
            let values = read(tensor).await?;
            stages.insert(name, Stage { shape, values });
        }
        Ok(stages)
    }
}
