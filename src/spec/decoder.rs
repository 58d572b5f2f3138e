//! The language model: embeddings -> logits.

use super::weights::{Kind, Weight, Weights};

/// Prefix of the decoder's tensors.
pub const DECODER: &str = "model";
/// The embeddings of the tokens, `[vocabulary, hidden]`.
pub const EMBEDDINGS: &str = "model.embed_tokens.weight";

/// From the last layer to logits, `[vocabulary, hidden]`.
pub const HEAD: &str = "lm_head.weight";

/// Sizes and choices of a LLaMA decoder, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSpec {
    /// Channels D.
    pub hidden_size: usize,
    /// Inner width of the gated MLP.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key/value heads; each serves a group of query heads.
    pub num_key_value_heads: usize,
    /// Rows of the embedding and of `lm_head`.
    pub vocab_size: usize,
    /// Base of the rotary embedding.
    pub rope_theta: f64,
    /// Epsilon of the RMSNorms.
    pub rms_norm_eps: f64,
    /// Positions the model knows.
    pub max_position_embeddings: usize,
}

impl DecoderSpec {
    /// Channels of one head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// Channels of the keys, and of the values, of one token.
    pub fn key_value_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim()
    }

    /// Bytes of the key/value cache for one token of context, in f32.
    pub fn cache_bytes_per_token(&self) -> u64 {
        8 * self.num_hidden_layers as u64 * self.key_value_size() as u64
    }

    /// The tensors that are read, in the order of the fields of `language::decoder::Decoder`.
    pub fn weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(DECODER);
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let (queries, keys) = (
            self.num_attention_heads * self.head_dim(),
            self.key_value_size(),
        );
        weights.add(
            "embed_tokens.weight",
            Kind::Table,
            &[self.vocab_size, hidden],
        );
        for layer in 0..self.num_hidden_layers {
            weights.within(format_args!("layers.{layer}"), |weights| {
                let matrices = |weights: &mut Weights, list: &[(&str, usize, usize)]| {
                    for (name, inputs, outputs) in list {
                        let name = format_args!("{name}.weight");
                        weights.add(name, Kind::LayerMatrix, &[*outputs, *inputs]);
                    }
                };
                weights.rms_norm("input_layernorm", hidden);
                matrices(
                    weights,
                    &[
                        ("self_attn.q_proj", hidden, queries),
                        ("self_attn.k_proj", hidden, keys),
                        ("self_attn.v_proj", hidden, keys),
                        ("self_attn.o_proj", queries, hidden),
                    ],
                );
                weights.rms_norm("post_attention_layernorm", hidden);
                matrices(
                    weights,
                    &[
                        ("mlp.gate_proj", hidden, inner),
                        ("mlp.up_proj", hidden, inner),
                        ("mlp.down_proj", inner, hidden),
                    ],
                );
            });
        }
        weights.rms_norm("norm", hidden);
        let mut weights = weights.into_list();
        weights.push(Weight {
            name: HEAD.into(),
            shape: vec![self.vocab_size, hidden],
            kind: Kind::Matrix,
        });
        weights
    }
}
