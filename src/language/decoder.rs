//! The LLaMA decoder (spec/model.md, section 7): RMSNorm, rotary embedding, grouped-query attention
//! over the key/value cache, SwiGLU, an `lm_head` of its own.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::gpu::ops::{With, causal_attention, rotary_cache};
use crate::language::embedding::Embedding;
use crate::language::kv_cache::{KvCache, LayerCache};
use crate::language::rope::Rope;
use crate::nn::{Linear, RmsNorm, Stacked};

/// One decoder layer.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Before the attention.
    pub input_layernorm: RmsNorm,
    /// hidden -> heads * head_dim, and twice key_value_heads * head_dim: `q_proj`, `k_proj`, `v_proj`.
    pub qkv_proj: Stacked,
    /// heads * head_dim -> hidden.
    pub o_proj: Linear,
    /// Before the MLP.
    pub post_attention_layernorm: RmsNorm,
    /// hidden -> intermediate, twice: `gate_proj`, `up_proj`.
    pub gate_up_proj: Stacked,
    /// intermediate -> hidden.
    pub down_proj: Linear,
    /// Query heads.
    pub heads: usize,
}

impl DecoderLayer {
    /// Seven launches for one token on a GPU.
    fn forward(
        &self,
        x: Tensor<2>,
        rope: &Rope,
        start: usize,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let qkv = self.qkv_proj.forward(x.clone(), &self.input_layernorm);
        let q = rotary_cache(self.heads, start, qkv, rope, cache);
        let mixed = causal_attention(self.heads, start, q, cache.keys(), cache.values());
        let x = self.o_proj.add_to(x, mixed);
        let gated = self
            .gate_up_proj
            .gated(x.clone(), &self.post_attention_layernorm);
        self.down_proj.add_to(x, gated)
    }
}

/// The decoder.
#[derive(Module, Debug)]
pub struct Decoder {
    /// `[vocabulary, hidden]`.
    pub embed_tokens: Embedding,
    /// The layers.
    pub layers: Vec<DecoderLayer>,
    /// After the layers.
    pub norm: RmsNorm,
    /// hidden -> vocabulary.
    pub lm_head: Linear,
}

impl Decoder {
    /// Runs `inputs_embeds` `[tokens, hidden]` behind what `cache` holds; gives the last layer's
    /// output, `[tokens, hidden]`. The caller has checked that they fit.
    pub fn forward(&self, inputs_embeds: Tensor<2>, rope: &Rope, cache: &mut KvCache) -> Tensor<2> {
        let [tokens, _] = inputs_embeds.dims();
        let start = cache.len();
        let mut x = inputs_embeds;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, rope, start, cache.layer(index));
        }
        cache.advance(tokens);
        x
    }

    /// The logits of the last `wanted` rows of [`Decoder::forward`]'s output, `[wanted, vocabulary]`.
    pub fn logits(&self, hidden: Tensor<2>, wanted: usize) -> Tensor<2> {
        let [tokens, _] = hidden.dims();
        let hidden = hidden.narrow(0, tokens - wanted, wanted);
        self.lm_head
            .forward_with(hidden, self.norm.before(With::default()))
    }
}
