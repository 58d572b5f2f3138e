//! The LLaMA decoder (spec/model.md, section 7): RMSNorm, rotary embedding, grouped-query attention
//! over the key/value cache, SwiGLU, an `lm_head` of its own.

use burn::module::Module;
use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Bool, Int, Tensor};

use crate::language::embedding::Embedding;
use crate::language::kv_cache::KvCache;
use crate::language::rope::Rope;
use crate::nn::{Linear, RmsNorm};

/// Score of a position that must not be attended to.
const MASKED: f32 = -1.0e30;

/// One decoder layer.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    /// Before the attention.
    pub input_layernorm: RmsNorm,
    /// hidden -> heads * head_dim.
    pub q_proj: Linear,
    /// hidden -> key_value_heads * head_dim.
    pub k_proj: Linear,
    /// hidden -> key_value_heads * head_dim.
    pub v_proj: Linear,
    /// heads * head_dim -> hidden.
    pub o_proj: Linear,
    /// Before the MLP.
    pub post_attention_layernorm: RmsNorm,
    /// hidden -> intermediate.
    pub gate_proj: Linear,
    /// hidden -> intermediate.
    pub up_proj: Linear,
    /// intermediate -> hidden.
    pub down_proj: Linear,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub key_value_heads: usize,
}

impl DecoderLayer {
    fn forward(
        &self,
        x: Tensor<2>,
        index: usize,
        rope: &Rope,
        mask: Option<&Tensor<3, Bool>>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        let attended = self.attention(
            self.input_layernorm.forward(x.clone()),
            index,
            rope,
            mask,
            cache,
        );
        let x = x + attended;
        let normed = self.post_attention_layernorm.forward(x.clone());
        let gated = silu(self.gate_proj.forward(normed.clone())) * self.up_proj.forward(normed);
        x + self.down_proj.forward(gated)
    }

    fn attention(
        &self,
        x: Tensor<2>,
        index: usize,
        rope: &Rope,
        mask: Option<&Tensor<3, Bool>>,
        cache: &mut KvCache,
    ) -> Tensor<2> {
        let [tokens, hidden] = x.dims();
        let head_dim = hidden / self.heads;
        let group = self.heads / self.key_value_heads;
        let start = cache.len();

        let q = self
            .q_proj
            .forward(x.clone())
            .reshape([tokens, self.heads, head_dim]);
        let k = self
            .k_proj
            .forward(x.clone())
            .reshape([tokens, self.key_value_heads, head_dim]);
        let v = self
            .v_proj
            .forward(x)
            .reshape([tokens, self.key_value_heads, head_dim]);
        let q = rope
            .apply(q, start)
            .mul_scalar(1.0 / (head_dim as f32).sqrt());
        let (k, v) = cache.write(
            index,
            rope.apply(k, start).swap_dims(0, 1),
            v.swap_dims(0, 1),
        );

        // A key/value head serves its group of query heads in one product.
        let q = q
            .swap_dims(0, 1)
            .reshape([self.key_value_heads, group * tokens, head_dim]);
        let mut scores = q.matmul(k.swap_dims(1, 2));
        if let Some(mask) = mask {
            let [_, _, seen] = scores.dims();
            scores = scores
                .reshape([self.heads, tokens, seen])
                .mask_fill(mask.clone().expand([self.heads, tokens, seen]), MASKED)
                .reshape([self.key_value_heads, group * tokens, seen]);
        }
        let mixed = softmax(scores, 2)
            .matmul(v)
            .reshape([self.heads, tokens, head_dim])
            .swap_dims(0, 1)
            .reshape([tokens, hidden]);
        self.o_proj.forward(mixed)
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
        let mask = (tokens > 1).then(|| causal_mask(cache.len(), tokens, &inputs_embeds));
        let mut x = inputs_embeds;
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, index, rope, mask.as_ref(), cache);
        }
        cache.advance(tokens);
        x
    }

    /// The logits of the last `wanted` rows of [`Decoder::forward`]'s output, `[wanted, vocabulary]`.
    pub fn logits(&self, hidden: Tensor<2>, wanted: usize) -> Tensor<2> {
        let [tokens, _] = hidden.dims();
        self.lm_head
            .forward(self.norm.forward(hidden.narrow(0, tokens - wanted, wanted)))
    }
}

/// `[1, tokens, start + tokens]`, true where a key lies after the query.
fn causal_mask(start: usize, tokens: usize, like: &Tensor<2>) -> Tensor<3, Bool> {
    let device = like.device();
    let end = (start + tokens) as i64;
    let queries = Tensor::<1, Int>::arange(start as i64..end, &device).reshape([1, tokens, 1]);
    let keys = Tensor::<1, Int>::arange(0..end, &device).reshape([1, 1, start + tokens]);
    keys.expand([1, tokens, start + tokens])
        .greater(queries.expand([1, tokens, start + tokens]))
}
