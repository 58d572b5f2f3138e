//! Random weights in the shapes of a model: the time of an operation does not depend on their values.

use std::cell::RefCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::{Config, OwnPrompt, Pixels, Vision};
use crate::error::{Error, Result};
use crate::image::{Filter, Normalise, PAD_COLOUR};
use crate::quant::Quant;
use crate::spec::{
    Ablation, Connector, DecoderSpec, DemSpec, EMBEDDINGS, RopeSpec, Tiling, TowerSpec,
};
use crate::weights::arrange::{Arrangement, Precision, arrange};
use crate::weights::manifest::{Piece, SHARD_BYTES, Stored};
use crate::weights::tensors::Tensors;

/// Names of the shapes that stages can be timed in.
pub const SHAPES: &[&str] = &["8b", "demo", "narrow"];
/// Rows of `lm_head` in a slice of the released model; all 128,257 would dominate the time.
const SLICE_VOCABULARY: usize = 4096;
const DEMO_CONFIG: &[u8] = include_bytes!("../../models/demo/config.json");

/// The configuration of `shape`: `8b`, the released model with `layers` layers in each tower and a small vocabulary;
/// `demo`, the demo model; `narrow`, 32 layers so narrow that mainly launch costs remain.
///
/// # Errors
/// [`Error::Option`] for an unknown shape.
pub fn config_of(shape: &str, layers: usize) -> Result<Config> {
    let released = |tower: TowerSpec, decoder: DecoderSpec| Config {
        kind: "llava_llama".into(),
        vision: Some(Vision {
            tiling: Tiling::Dual { crops_per_side: 3 },
            pixels: Pixels {
                ground: PAD_COLOUR,
                filter: Filter::Bicubic,
                normalise: Normalise::CLIP,
            },
            connector: Connector::Dem(DemSpec {
                inputs: tower.hidden_size,
                outputs: decoder.hidden_size,
                layer_norm_eps: tower.layer_norm_eps,
                heads: 8,
                ablation: Ablation::default(),
            }),
            tower,
            video: None,
        }),
        decoder,
        prompt: OwnPrompt::ConvLlama3,
        image_token_id: None,
        video_token_id: None,
        bos_token_id: 1,
        states_bos: true,
        eos_token_ids: vec![2],
        random_weights: true,
        scope: None,
    };
    let language = DecoderSpec {
        hidden_size: 4096,
        intermediate_size: 14_336,
        num_hidden_layers: layers,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        vocab_size: SLICE_VOCABULARY,
        head_dim: 128,
        qkv_bias: false,
        tied: false,
        rope: RopeSpec::of_theta(500_000.0),
        window: None,
        rms_norm_eps: 1e-5,
        max_position_embeddings: 8192,
    };
    // The tower's last layer is never computed.
    let vision = TowerSpec {
        num_hidden_layers: layers + 1,
        features: vec![layers],
        ..TowerSpec::clip_vit_l_14_336()
    };
    match shape {
        "8b" => Ok(released(vision, language)),
        "demo" => Config::from_json(DEMO_CONFIG, None),
        "narrow" => Ok(released(
            TowerSpec {
                hidden_size: 64,
                intermediate_size: 128,
                num_hidden_layers: 2,
                features: vec![1],
                num_attention_heads: 4,
                view_px: 28,
                ..vision
            },
            DecoderSpec {
                hidden_size: 256,
                intermediate_size: 512,
                num_hidden_layers: 32,
                num_attention_heads: 8,
                num_key_value_heads: 2,
                head_dim: 32,
                ..language
            },
        )),
        _ => Err(Error::Option {
            option: "shape".into(),
            reason: format!("{shape:?} is none of {}", SHAPES.join(", ")),
        }),
    }
}

/// Random tensors, stored as in a model converted to `q4`; only the embeddings are floats.
pub struct Synthetic {
    stored: BTreeMap<String, Stored>,
    random: RefCell<ChaCha8Rng>,
}

impl Synthetic {
    /// For every tensor of `config`.
    ///
    /// # Errors
    /// As [`arrange`].
    pub fn new(config: &Config) -> Result<Self> {
        let Arrangement { tensors, .. } = arrange(&config.weights(), Precision::Q4, SHARD_BYTES)?;
        Ok(Synthetic {
            stored: tensors,
            random: RefCell::new(ChaCha8Rng::seed_from_u64(1)),
        })
    }
}

impl Tensors for Synthetic {
    fn check(&self, name: &str, _: &[usize]) -> Result<()> {
        match self.stored.contains_key(name) {
            true => Ok(()),
            false => Err(Error::TensorMissing {
                name: name.to_string(),
                file: "the synthetic weights".into(),
                hint: String::new(),
            }),
        }
    }

    fn stored_bytes(&self, name: &str, shape: &[usize]) -> u64 {
        let Some((quant, stored)) = self.quantized(name) else {
            return (shape.iter().product::<usize>() * size_of::<f32>()) as u64;
        };
        let layout = |piece: &Piece| quant.layout(piece.rows, stored.shape[1]).ok();
        let layouts = stored.pieces.iter().filter_map(layout);
        layouts.map(|layout| layout.bytes() as u64).sum()
    }

    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let mut random = self.random.borrow_mut();
        let inputs: usize = shape[1..].iter().product();
        let scale = (3.0 / inputs as f32).sqrt();
        let is_norm = shape.len() == 1 && name.ends_with(".weight");
        let centre = if is_norm { 1.0 } else { 0.0 };
        let scale = if shape.len() == 1 { 0.1 } else { scale };
        let value = |_| centre + random.random_range(-scale..scale);
        Ok((0..shape.iter().product()).map(value).collect())
    }

    fn quantized(&self, name: &str) -> Option<(Quant, &Stored)> {
        let stored = self.stored.get(name)?;
        // The embeddings are generated as floats, since there is no file to read rows from.
        let is_table = name == EMBEDDINGS;
        Some((stored.dtype.quant().filter(|_| !is_table)?, stored))
    }

    async fn piece(&self, stored: &Stored, piece: &Piece) -> Result<Bytes> {
        let Some(quant) = stored.dtype.quant() else {
            return Err(Error::Quantised {
                reason: "a tensor of floats has no pieces".into(),
            });
        };
        let columns = stored.shape[1];
        let layout = quant.layout(piece.rows, columns)?;
        let mut random = self.random.borrow_mut();
        let mut bytes = vec![0; layout.codes];
        random.fill_bytes(&mut bytes);
        bytes.resize(layout.codes + layout.block_scales, 64);
        // The mean square of random codes' values, used to scale a product's output to the size of its input.
        let level = match quant {
            Quant::Q4 => 6.4f32,
            Quant::Q8 => 74.0,
        };
        let scale = 1.0 / (64.0 * level * (columns as f32).sqrt());
        for _ in 0..piece.rows {
            bytes.extend(scale.to_le_bytes());
        }
        Ok(Bytes::from(bytes))
    }
}
