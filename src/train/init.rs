//! The first values of a model's weights: random by name and seed, so that a tensor's beginning does
//! not depend on which others there are.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::Config;
use crate::weights::names;

/// A tensor on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostTensor {
    /// Row-major.
    pub values: Vec<f32>,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Tensors by checkpoint name.
pub type Weights = BTreeMap<String, HostTensor>;

/// First values for every tensor of `config`.
pub fn initial_weights(config: &Config, seed: u64) -> Weights {
    names::tensors(config)
        .into_iter()
        .map(|(name, shape)| {
            let tensor = initial(&name, &shape, config, seed);
            (name, tensor)
        })
        .collect()
}

/// First values for one tensor: norms are ones, biases zeros, matrices normal with `1 / sqrt(inputs)`;
/// those that write to a residual stream start smaller, by the number of layers that write to it.
pub fn initial(name: &str, shape: &[usize], config: &Config, seed: u64) -> HostTensor {
    let count = shape.iter().product();
    let is_norm = name.contains("norm") || name.contains("ln") && shape.len() == 1;
    let values = if name.ends_with("position_embedding.weight") {
        positions(config.vision.tokens_per_side(), shape[1])
    } else if name.ends_with(".bias") {
        vec![0.0; count]
    } else if is_norm || name.contains("spatial_embed.weight_") {
        // A learnt weight of the fusion begins as plain addition.
        vec![1.0; count]
    } else {
        let inputs = shape[1..].iter().product::<usize>().max(1);
        let scale = match name {
            _ if name.ends_with("class_embedding") => 0.02,
            _ if name.ends_with("embed_tokens.weight") => 0.5,
            "lm_head.weight" => 0.02,
            _ => 1.0 / (inputs as f32).sqrt(),
        };
        let writes = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let depth = if writes(&["out_proj.weight", "fc2.weight"]) {
            config.vision.num_hidden_layers
        } else if writes(&["o_proj.weight", "down_proj.weight"]) {
            config.language.num_hidden_layers
        } else {
            0
        };
        let scale = scale / (2.0 * depth as f32).sqrt().max(1.0);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ hash(name));
        (0..count).map(|_| scale * normal(&mut rng)).collect()
    };
    HostTensor {
        values,
        shape: shape.to_vec(),
    }
}

/// Sines and cosines of row and column, so that neighbours begin as neighbours; the class token's row
/// is zero. `[side * side + 1, channels]`.
fn positions(side: usize, channels: usize) -> Vec<f32> {
    let quarter = channels / 4;
    let mut values = vec![0.0; channels];
    for token in 0..side * side {
        let mut row = vec![0.0; channels];
        for (axis, at) in [token / side, token % side].into_iter().enumerate() {
            for i in 0..quarter {
                // Wavelengths from two tokens to twice the side.
                let share = i as f32 / quarter.max(2) as f32;
                let wavelength = 2.0 * (side as f32).powf(share);
                let angle = std::f32::consts::TAU * at as f32 / wavelength / 2.0;
                row[(2 * axis) * quarter + i] = 0.7 * angle.sin();
                row[(2 * axis + 1) * quarter + i] = 0.7 * angle.cos();
            }
        }
        values.extend(row);
    }
    values
}

/// FNV-1a.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Box-Muller.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}
