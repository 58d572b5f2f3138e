//! Builds the model's modules from weights on the host.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::Dtype;

use super::checkpoint::{MODEL_FILE, serialize};
use super::init::{HostTensor, Weights};
use inf_llava::config::Config;
use inf_llava::error::Result;
use inf_llava::load::Builder;
use inf_llava::nn::Linear;
use inf_llava::progress::Watch;
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::source::Memory;

/// Builds a module from the weights on `device` with `build`.
///
/// # Errors
/// The errors of [`Builder`]: a tensor that is missing or has the wrong shape.
pub fn build<M>(
    config: &Config,
    weights: &Weights,
    device: &Device,
    build: impl AsyncFnOnce(&mut Builder<'_, '_, Checkpoint<Memory>>) -> Result<M>,
) -> Result<M> {
    // A stage's configuration may omit modules that are trained later.
    let names: BTreeSet<String> = config
        .weights()
        .into_iter()
        .map(|weight| weight.name)
        .collect();
    let wanted = weights.iter().filter(|(name, _)| names.contains(*name));
    let files = [(MODEL_FILE.to_string(), serialize(wanted, Dtype::F32)?)];
    pollster::block_on(async {
        let checkpoint = Checkpoint::open(Memory(files.into())).await?;
        let mut watch = Watch::nobody();
        let mut builder = Builder::new(&checkpoint, &config.weights(), device, &mut watch)?.apart();
        build(&mut builder).await
    })
}

/// A linear layer that is not part of the model.
pub fn linear(weight: &HostTensor, bias: &HostTensor, device: &Device) -> Linear {
    let data = TensorData::new(weight.values.clone(), weight.shape.clone());
    let bias = TensorData::new(bias.values.clone(), bias.shape.clone());
    Linear::new(Tensor::from_data(data, device)).with_bias(Some(Tensor::from_data(bias, device)))
}
