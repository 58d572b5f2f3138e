//! The decoder's sizes, of whichever class: keys that are absent take the values of the class in transformers.

use super::checks::{SIZE_CAP, count, divides, positive, size};
use super::file_names::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::spec::{DecoderSpec, RopeSpec};

/// A class of decoders, and what it takes for an absent key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// Its `model_type`.
    pub(super) name: &'static str,
    intermediate_size: usize,
    /// None: as many as heads.
    pub(super) num_key_value_heads: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
}

/// `LlamaConfig`.
pub(super) static LLAMA: Class = Class {
    name: "llama",
    intermediate_size: 11_008,
    num_key_value_heads: None,
    vocab_size: 32_000,
    max_position_embeddings: 2048,
};
/// `MistralConfig`.
pub(super) static MISTRAL: Class = Class {
    name: "mistral",
    intermediate_size: 14_336,
    num_key_value_heads: Some(8),
    vocab_size: 32_000,
    max_position_embeddings: 131_072,
};
/// `Qwen2Config`.
pub(super) static QWEN2: Class = Class {
    name: "qwen2",
    intermediate_size: 22_016,
    num_key_value_heads: Some(32),
    vocab_size: 151_936,
    max_position_embeddings: 32_768,
};

/// The sizes as written.
pub(super) struct RawSizes {
    /// In front of the keys' names in messages.
    pub(super) prefix: String,
    pub(super) hidden_size: Option<usize>,
    pub(super) intermediate_size: Option<usize>,
    pub(super) num_hidden_layers: Option<usize>,
    pub(super) num_attention_heads: Option<usize>,
    /// None: as many as heads.
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) vocab_size: Option<usize>,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) max_position_embeddings: Option<usize>,
}

impl RawSizes {
    /// A decoder of these sizes without biases, with a head of its own and no window.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is out of range, or that another one does not divide.
    pub(super) fn spec(self, class: &Class, rope: RopeSpec) -> Result<DecoderSpec> {
        let named = |name: &str| format!("{}{name}", self.prefix);
        let or = |name: &str, value: Option<usize>, default| {
            size(&named(name), value.unwrap_or(default))
        };
        let or_count = |name: &str, value: Option<usize>, default| {
            count(&named(name), value.unwrap_or(default))
        };
        let hidden_size = or("hidden_size", self.hidden_size, 4096)?;
        let heads = or_count("num_attention_heads", self.num_attention_heads, 32)?;
        let (of_heads, of_hidden) = (named("num_attention_heads"), named("hidden_size"));
        let head_dim = match self.head_dim {
            Some(head_dim) => size(&named("head_dim"), head_dim)?,
            None => {
                divides(&of_heads, heads, &of_hidden, hidden_size)?;
                hidden_size / heads
            }
        };
        let decoder = DecoderSpec {
            hidden_size,
            intermediate_size: or(
                "intermediate_size",
                self.intermediate_size,
                class.intermediate_size,
            )?,
            num_hidden_layers: or_count("num_hidden_layers", self.num_hidden_layers, 32)?,
            num_attention_heads: heads,
            num_key_value_heads: or_count("num_key_value_heads", self.num_key_value_heads, heads)?,
            vocab_size: or("vocab_size", self.vocab_size, class.vocab_size)?,
            head_dim,
            qkv_bias: false,
            tied: false,
            rope,
            window: None,
            rms_norm_eps: positive(&named("rms_norm_eps"), self.rms_norm_eps.unwrap_or(1e-6))?,
            max_position_embeddings: or(
                "max_position_embeddings",
                self.max_position_embeddings,
                class.max_position_embeddings,
            )?,
        };
        divides(
            &named("num_key_value_heads"),
            decoder.num_key_value_heads,
            &of_heads,
            heads,
        )?;
        let bad = |reason: String| Err(Error::config(CONFIG_FILE, reason));
        if !head_dim.is_multiple_of(2) {
            let what = match self.head_dim {
                Some(_) => named("head_dim"),
                None => format!("{of_hidden} / {of_heads} ="),
            };
            return bad(format!(
                "{what} {head_dim} is odd; rotary embeddings turn pairs of channels"
            ));
        }
        // Neither alone is too large.
        match heads.checked_mul(head_dim) {
            Some(width) if width <= SIZE_CAP => Ok(decoder),
            _ => bad(format!(
                "{of_heads} is {heads} and {} is {head_dim}: together at most {SIZE_CAP} channels are supported",
                named("head_dim")
            )),
        }
    }
}
