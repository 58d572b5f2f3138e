//! Initial weights. Random values depend on the seed and the tensor's name only, so that a tensor's
//! initial values do not depend on which other tensors there are.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use inf_llava::config::Config;
use inf_llava::spec::{DEM, PROJECTOR, Weight};

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

/// Initial values for every tensor of `config`.
pub fn initial_weights(config: &Config, seed: u64) -> Weights {
    config
        .weights()
        .into_iter()
        .map(|Weight { name, shape, .. }| {
            let tensor = initial(&name, &shape, config, seed);
            (name, tensor)
        })
        .collect()
}

/// Initial values for one tensor: norms are ones, biases zeros, matrices normal with standard
/// deviation `1 / sqrt(inputs)`; those that write to a residual stream are scaled down by the
/// number of layers that write to it. The projector's first layer starts as a scaled identity with
/// a bias that keeps GELU nearly linear, since a random one lost the characters of signs.
///
/// Attention is initialized so that similar tokens attend to each other: see `echo` below.
pub fn initial(name: &str, shape: &[usize], config: &Config, seed: u64) -> HostTensor {
    let count = shape.iter().product();
    let vision = config.vision.as_ref();
    let is_norm = name.contains("norm") || name.contains("ln") && shape.len() == 1;
    let values = if name.ends_with("position_embedding.weight") {
        positions((shape[0] - 1).isqrt(), shape[1])
    } else if name.strip_prefix(PROJECTOR) == Some(".0.bias") {
        vec![2.0; count]
    } else if name.strip_prefix(PROJECTOR) == Some(".0.weight") {
        let at = |index: usize| (index / shape[1] % shape[1], index % shape[1]);
        let own = |(row, column)| if row == column { 0.7 } else { 0.0 };
        (0..count).map(at).map(own).collect()
    } else if name.ends_with(".bias") {
        vec![0.0; count]
    } else if is_norm || name.contains("spatial_embed.weight_") {
        // The learned weights of the fusion start at 1, which makes it a plain addition.
        vec![1.0; count]
    } else if name.ends_with("embed_tokens.weight") {
        // A common offset in all embeddings gives `look_back` a direction that matches every token.
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ hash(name));
        (0..count).map(|_| 0.25 + 0.5 * normal(&mut rng)).collect()
    } else {
        let inputs = shape[1..].iter().product::<usize>().max(1);
        let scale = match name {
            _ if name.ends_with("class_embedding") => 0.02,
            "lm_head.weight" => 0.02,
            _ => 1.0 / (inputs as f32).sqrt(),
        };
        let writes = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        let depth = if writes(&["out_proj.weight", "fc2.weight"]) {
            vision.map_or(0, |vision| vision.tower.num_hidden_layers)
        } else if writes(&["o_proj.weight", "down_proj.weight"]) {
            config.decoder.num_hidden_layers
        } else {
            0
        };
        let scale = scale / (2.0 * depth as f32).sqrt().max(1.0);
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ hash(name));
        let own = (0..count).map(|_| scale * normal(&mut rng)).collect();
        let own = match echo(name, config, seed) {
            Some(echo) => mixed(own, echo),
            None => own,
        };
        match look_back(name, config) {
            Some(more) => mixed(own, more),
            None => own,
        }
    };
    HostTensor {
        values,
        shape: shape.to_vec(),
    }
}

/// The part of a tensor that copies another tensor, so that from the first step a token attends to
/// similar tokens, adds their content to itself, and predicts its own content ("mimetic
/// initialization", arXiv 2305.09828). Without it, looking something up is the last thing that a
/// model of this size learns.
fn echo(name: &str, config: &Config, seed: u64) -> Option<Vec<f32>> {
    let sizes = &config.decoder;
    let of = |name: String, shape: [usize; 2]| initial(&name, &shape, config, seed).values;
    if name == "lm_head.weight" {
        let words = "model.embed_tokens.weight".to_string();
        let words = of(words, [sizes.vocab_size, sizes.hidden_size]);
        return Some(words.iter().map(|value| 0.3 * value).collect());
    }
    let begin = name.strip_suffix(".weight")?;
    let (heads, other, is_query) = if begin.starts_with("model.layers.") {
        let heads = Heads {
            inputs: sizes.hidden_size,
            heads: sizes.num_attention_heads,
            group: sizes.num_attention_heads / sizes.num_key_value_heads,
            dim: sizes.head_dim,
        };
        match (begin.strip_suffix("q_proj"), begin.strip_suffix("o_proj")) {
            (Some(layer), _) => (heads, format!("{layer}k_proj.weight"), true),
            (_, Some(layer)) => (heads, format!("{layer}v_proj.weight"), false),
            _ => return None,
        }
    } else if begin.starts_with(DEM) {
        let channels = config.dual()?.tower.hidden_size;
        let heads = Heads {
            inputs: channels,
            heads: 1,
            group: 1,
            dim: channels,
        };
        let (query, out) = (
            begin.strip_suffix("linears.0"),
            begin.strip_suffix("linears.3"),
        );
        match (query, out) {
            (Some(attention), _) => (heads, format!("{attention}linears.1.weight"), true),
            (_, Some(attention)) => (heads, format!("{attention}linears.2.weight"), false),
            _ => return None,
        }
    } else {
        return None;
    };
    let rows = heads.heads / heads.group * heads.dim;
    let values = of(other, [rows, heads.inputs]);
    let theta = begin
        .starts_with("model.layers.")
        .then_some(sizes.rope.theta);
    Some(match is_query {
        true => heads.queries(&values, |channel| likeness(channel, heads.dim, theta)),
        false => heads.written(&values),
    })
}

/// The part that makes the heads without the similarity initialization (see [`echo`]) attend to the
/// latest tokens, some of them to fewer than others. All columns are equal, since these heads
/// respond to the offset that all embeddings share, on channels that the rotary embedding turns
/// within a few tokens.
fn look_back(name: &str, config: &Config) -> Option<Vec<f32>> {
    let sizes = &config.decoder;
    let (dim, hidden) = (sizes.head_dim, sizes.hidden_size);
    let layer = name.strip_prefix("model.layers.")?;
    let is_query = layer.ends_with("q_proj.weight");
    if !is_query && !layer.ends_with("k_proj.weight") {
        return None;
    }
    let heads = match is_query {
        true => sizes.num_attention_heads,
        false => sizes.num_key_value_heads,
    };
    let first = heads.div_ceil(2);
    let pairs = |head: usize| match (is_query, head % 2) {
        (false, _) => 1..=5,
        (true, 0) => 1..=3,
        (true, _) => 3..=5,
    };
    let mut values = vec![0.0; heads * dim * hidden];
    for head in first..heads {
        for channel in pairs(head).filter(|&channel| channel < dim / 2) {
            let row = (head * dim + channel) * hidden;
            values[row..row + hidden].fill(8.0 / hidden as f32);
        }
    }
    Some(values)
}

/// The dimensions of an attention's heads.
struct Heads {
    inputs: usize,
    heads: usize,
    /// Number of query heads that share one head of keys and values.
    group: usize,
    dim: usize,
}

impl Heads {
    /// The row of the keys or values that belongs to this row of the queries.
    fn shared(&self, row: usize) -> usize {
        row / self.dim / self.group * self.dim + row % self.dim
    }

    /// Whether a head is initialized by similarity: half of them are.
    fn compares(&self, head: usize) -> bool {
        head < self.heads.div_ceil(2)
    }

    /// `[heads * dim, inputs]`: each head's `keys`, every channel scaled by its factor.
    fn queries(&self, keys: &[f32], factor: impl Fn(usize) -> f32) -> Vec<f32> {
        let rows = 0..self.heads * self.dim;
        rows.flat_map(|row| {
            let first = self.shared(row) * self.inputs;
            let factor = match self.compares(row / self.dim) {
                true => factor(row % self.dim),
                false => 0.0,
            };
            keys[first..first + self.inputs]
                .iter()
                .map(move |key| factor * key)
        })
        .collect()
    }

    /// `[inputs, heads * dim]`: each head's `values` transposed, so that the output returns to the
    /// channels it came from.
    fn written(&self, values: &[f32]) -> Vec<f32> {
        let columns = self.heads * self.dim;
        let at = |row: usize, column: usize| {
            // A similarity head adds a token's own content to itself, so it is scaled down.
            let factor = match self.compares(column / self.dim) {
                true => 0.4,
                false => 1.0,
            };
            factor * values[self.shared(column) * self.inputs + row]
        };
        (0..self.inputs)
            .flat_map(|row| (0..columns).map(move |column| at(row, column)))
            .collect()
    }
}

/// The factor of a channel of a similarity head. Channels that the rotary embedding turns slowly
/// favour similar tokens at any distance. The fast channels count against them, which affects only
/// near tokens: every token is most similar to itself, and attending to itself gains nothing.
/// Without rotary embedding all channels favour similar tokens.
fn likeness(channel: usize, dim: usize, theta: Option<f64>) -> f32 {
    const FAR: f64 = 300.0;
    let pair = channel % (dim / 2);
    let turn = theta.map(|theta| theta.powf(-2.0 * pair as f64 / dim as f64));
    match turn {
        Some(turn) if turn * FAR >= 1.0 => -2.0,
        _ => 2.0,
    }
}

/// The sum of a tensor's random values and the values that it copies.
fn mixed(own: Vec<f32>, echo: Vec<f32>) -> Vec<f32> {
    own.into_iter()
        .zip(echo)
        .map(|(own, echo)| own + echo)
        .collect()
}

/// Position embeddings `[side * side + 1, channels]`: sines and cosines of row and column, so that
/// neighbours start out similar; the class token's row is zero.
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

/// FNV-1a hash of a tensor's name.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A standard normal number (Box-Muller).
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}
