//! The decoder's keys of `config.json`.

use super::file::{RawConfig, count, divides, positive, size};
use super::file_names::CONFIG_FILE;
use super::rope;
use crate::error::{Error, Result};
use crate::spec::{DecoderSpec, RopeSpec};

impl RawConfig {
    /// The decoder. Keys left out take the values of `LlamaConfig` in transformers.
    pub(super) fn decoder(&self) -> Result<DecoderSpec> {
        let bad = |reason: String| Err(Error::config(CONFIG_FILE, reason));
        let or = |name: &str, value: Option<usize>, default| size(name, value.unwrap_or(default));
        let hidden_size = or("hidden_size", self.hidden_size, 4096)?;
        let heads = self.num_attention_heads.unwrap_or(32);
        let heads = count("num_attention_heads", heads)?;
        divides("num_attention_heads", heads, "hidden_size", hidden_size)?;
        let head_dim = hidden_size / heads;
        let decoder = DecoderSpec {
            hidden_size,
            intermediate_size: or("intermediate_size", self.intermediate_size, 11_008)?,
            num_hidden_layers: count("num_hidden_layers", self.num_hidden_layers.unwrap_or(32))?,
            num_attention_heads: heads,
            num_key_value_heads: count(
                "num_key_value_heads",
                self.num_key_value_heads.unwrap_or(heads),
            )?,
            vocab_size: or("vocab_size", self.vocab_size, 32_000)?,
            head_dim,
            qkv_bias: false,
            tied: false,
            rope: RopeSpec::of_theta(positive("rope_theta", rope::theta(self)?)?),
            window: None,
            rms_norm_eps: positive("rms_norm_eps", self.rms_norm_eps.unwrap_or(1e-6))?,
            max_position_embeddings: or(
                "max_position_embeddings",
                self.max_position_embeddings,
                2048,
            )?,
        };
        divides(
            "num_key_value_heads",
            decoder.num_key_value_heads,
            "num_attention_heads",
            heads,
        )?;
        if !head_dim.is_multiple_of(2) {
            return bad(format!(
                "hidden_size / num_attention_heads = {head_dim} is odd; rotary embeddings turn pairs of channels"
            ));
        }
        if let Some(stated) = self.head_dim.filter(|&stated| stated != head_dim) {
            return bad(format!(
                "head_dim is {stated}, and hidden_size / num_attention_heads is {head_dim}; heads of another width are not computed here"
            ));
        }
        Ok(decoder)
    }
}
