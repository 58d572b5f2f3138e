//! The language model: embeddings -> logits.

use super::rope::RopeSpec;
use super::weights::{Kind, Weight, Weights};

/// Prefix of the decoder's tensors.
pub const DECODER: &str = "model";
/// The token embeddings, `[vocabulary, hidden]`.
pub const EMBEDDINGS: &str = "model.embed_tokens.weight";

/// From the last layer to logits, `[vocabulary, hidden]`.
pub const HEAD: &str = "lm_head.weight";

/// Sizes and choices of a LLaMA-like decoder (LLaMA, Mistral, Qwen2), validated.
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
    /// Rows of the embeddings and of `lm_head`.
    pub vocab_size: usize,
    /// Channels of one head: in LLaMA `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Whether the queries, keys and values have a bias, as in Qwen2.
    pub qkv_bias: bool,
    /// Whether the embeddings' matrix is also used for the logits, instead of `lm_head`.
    pub tied: bool,
    /// The rotary embedding.
    pub rope: RopeSpec,
    /// The sliding window; without one, each token attends to all before it.
    pub window: Option<Window>,
    /// Epsilon of the RMSNorms.
    pub rms_norm_eps: f64,
    /// The longest context the model supports, in positions.
    pub max_position_embeddings: usize,
}

/// The sliding window of Mistral and of some Qwen2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Tokens that a token attends to, itself included.
    pub tokens: usize,
    /// Layers before this one attend to everything.
    pub first_layer: usize,
}

impl DecoderSpec {
    /// The most tokens that a token attends to in layer `index`, itself included.
    pub fn window_of(&self, index: usize) -> Option<usize> {
        let window = self.window.filter(|window| index >= window.first_layer);
        window.map(|window| window.tokens)
    }

    /// Channels of one token's keys, and of its values.
    pub fn key_value_size(&self) -> usize {
        self.num_key_value_heads * self.head_dim
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
            self.num_attention_heads * self.head_dim,
            self.key_value_size(),
        );
        let embeddings = match self.tied {
            true => Kind::TiedEmbeddings,
            false => Kind::Embeddings,
        };
        weights.add(
            "embed_tokens.weight",
            embeddings,
            &[self.vocab_size, hidden],
        );
        for layer in 0..self.num_hidden_layers {
            weights.within(format_args!("layers.{layer}"), |weights| {
                weights.rms_norm("input_layernorm", hidden);
                for (name, outputs) in [("q_proj", queries), ("k_proj", keys), ("v_proj", keys)] {
                    let name = format!("self_attn.{name}");
                    weights.layer_matrix(&name, hidden, outputs);
                    if self.qkv_bias {
                        weights.add(format_args!("{name}.bias"), Kind::Bias, &[outputs]);
                    }
                }
                weights.layer_matrix("self_attn.o_proj", queries, hidden);
                weights.rms_norm("post_attention_layernorm", hidden);
                weights.layer_matrix("mlp.gate_proj", hidden, inner);
                weights.layer_matrix("mlp.up_proj", hidden, inner);
                weights.layer_matrix("mlp.down_proj", inner, hidden);
            });
        }
        weights.rms_norm("norm", hidden);
        let mut weights = weights.into_list();
        if !self.tied {
            weights.push(Weight {
                name: HEAD.into(),
                shape: vec![self.vocab_size, hidden],
                kind: Kind::Matrix,
            });
        }
        weights
    }
}
