//! The memory that a model needs, known before any weight is read.

use crate::config::{Config, Vision};
use crate::error::{Error, Result};
use crate::gpu::device::ChosenDevice;
use crate::language::decoder::PREFILL_CHUNK;
use crate::spec::plan::Coverage;
use crate::spec::{CanvasLayout, Layout, parameters};
use crate::vision::encoder::TOKENS_PER_BATCH;
use crate::weights::manifest::{Manifest, as_floats};

const MIB: u64 = 1 << 20;

/// The memory a model needs, known before any weight is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Number of parameters in the weights that are read.
    pub parameters: u64,
    /// Bytes of the weights on the device: f32, or quantised.
    pub weights_bytes: u64,
    /// Bytes of the key/value cache.
    pub cache_bytes: u64,
    /// Bytes of the largest single buffer.
    pub largest_tensor_bytes: u64,
    /// Peak bytes of the intermediate results: see [`activation_bytes`].
    pub activation_bytes: u64,
}

impl Estimate {
    /// For `config`, converted as in `manifest` if there is one, with room for `context_tokens`.
    pub fn new(config: &Config, manifest: Option<&Manifest>, context_tokens: usize) -> Self {
        let weights = config.weights();
        let sizes: Vec<(u64, u64)> = weights
            .iter()
            .map(|weight| match manifest {
                Some(manifest) => manifest.resident_bytes(weight),
                None => as_floats(&weight.shape),
            })
            .collect();
        Estimate {
            parameters: parameters(&weights),
            weights_bytes: sizes.iter().map(|(bytes, _)| bytes).sum(),
            cache_bytes: config.decoder.cache_bytes_per_token() * context_tokens as u64,
            largest_tensor_bytes: sizes.iter().map(|&(_, largest)| largest).max().unwrap_or(0),
            activation_bytes: activation_bytes(config, context_tokens),
        }
    }

    /// The sum of weights, cache and intermediate results.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.cache_bytes + self.activation_bytes
    }

    /// # Errors
    /// [`Error::Memory`] if the model does not fit on `device`.
    pub fn check(&self, device: &ChosenDevice) -> Result<()> {
        let refuse = |what: &str, needed: u64, available: u64| {
            Err(Error::Memory {
                what: what.to_string(),
                needed_mib: needed.div_ceil(MIB),
                available_mib: available / MIB,
                device: device.name.clone(),
                hint: "; a smaller model or a converted (quantised) one may fit".into(),
            })
        };
        if self.largest_tensor_bytes > device.max_tensor_bytes {
            return refuse(
                "the largest tensor",
                self.largest_tensor_bytes,
                device.max_tensor_bytes,
            );
        }
        match device.free_bytes {
            Some(free) if self.total_bytes() > free => {
                refuse("this model", self.total_bytes(), free)
            }
            _ => Ok(()),
        }
    }
}

/// An upper bound of the intermediate results at their peak, in bytes: the larger of the vision side and the decoder.
/// With T tokens of a view inside the tower, R = max(T, 1024) rows of a batch or those of all views if they are
/// fewer, C channels, M of the MLP, H x W of the resized pictures, N² crops of each map:
///
/// - tower: `R (6 C + M + 3 patch²)`, the pictures' bytes `3 H W`, and the features of all views, twice: `2 views T C`
/// - enhancement, of INF-LLaVA: the features of both maps, their keys and values and intermediate results: `12 N² T C`
/// - decoder: embeddings of the whole prompt, at most `context D`, and for a chunk of P tokens
///   `P (8 D + 2 M)`, with D and M of the decoder; the logits, a row of the vocabulary.
///
/// Of a prompt's length, only the embeddings matter; the tower processes its passes in batches, however many there
/// are.
pub fn activation_bytes(config: &Config, context_tokens: usize) -> u64 {
    let decoder = &config.decoder;
    let hidden = decoder.hidden_size;
    let chunk = (2 * PREFILL_CHUNK).min(context_tokens);
    let answering = context_tokens * hidden
        + chunk * (8 * hidden + 2 * decoder.intermediate_size)
        + decoder.vocab_size;
    let seeing = config.vision.as_ref().map_or(0, seeing_numbers);
    (seeing.max(answering) * size_of::<f32>()) as u64
}

/// Intermediate results of the vision side at their peak.
fn seeing_numbers(vision: &Vision) -> usize {
    let tower = &vision.tower;
    let (tokens, channels) = (tower.tokens_inside(), tower.hidden_size);
    // A layout that cannot be had is refused where it is asked for.
    let layout = vision.largest_layout(Coverage::Dense).ok();
    let pixels = |canvas: &CanvasLayout| canvas.size_px[0] * canvas.size_px[1];
    let canvases = layout.iter().flat_map(|layout| &layout.canvases);
    let pixels: usize = canvases.map(pixels).sum();
    let views = layout.as_ref().map_or(1, Layout::passes);
    let rows = tokens.max(TOKENS_PER_BATCH).min(views * tokens);
    let seeing = rows * (6 * channels + tower.intermediate_size + tower.patch_len())
        + 3 * pixels
        + 2 * views * tokens * tower.feature_channels();
    let enhancement = vision.dual().map_or(0, |dual| {
        12 * dual.crops_per_side.pow(2) * tokens * channels
    });
    seeing.max(enhancement)
}
