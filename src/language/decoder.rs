//! The LLaMA decoder: RMSNorm, rotary embedding, grouped-query attention over the key/value cache, SwiGLU, `lm_head`.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpu::layer_cache::LayerCache;
use crate::gpu::ops::{Causal, Fused, attention_map, causal_attention, rotary_cache};
use crate::gpu::rope::Rope;
use crate::language::kv_cache::KvCache;
use crate::load::Builder;
use crate::nn::{Embedding, Linear, RmsNorm, Stacked};
use crate::spec::DecoderSpec;
use crate::weights::tensors::Tensors;

/// Prompt tokens that the decoder processes at once; Stop is checked between chunks.
pub const PREFILL_CHUNK: usize = 256;

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
    /// The most tokens that a token attends to, itself included.
    #[module(skip)]
    pub window: Option<usize>,
}

impl DecoderLayer {
    async fn load<T: Tensors>(
        spec: &DecoderSpec,
        index: usize,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        Ok(DecoderLayer {
            input_layernorm: builder.rms_norm(spec.rms_norm_eps).await?,
            qkv_proj: builder.stacked(3).await?,
            o_proj: builder.linear().await?,
            post_attention_layernorm: builder.rms_norm(spec.rms_norm_eps).await?,
            gate_up_proj: builder.stacked(2).await?,
            down_proj: builder.linear().await?,
            heads: spec.num_attention_heads,
            window: spec.window_of(index),
        })
    }

    /// Seven launches for one token on a GPU.
    fn forward(
        &self,
        x: Tensor<2>,
        rope: &Rope,
        start: usize,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let q = self.queries(&x, rope, start, cache);
        self.attend(x, q, start, cache)
    }

    fn causal(&self, start: usize) -> Causal {
        Causal {
            heads: self.heads,
            start,
            window: self.window,
        }
    }

    /// The queries of new tokens; their keys and values are written to `cache`.
    fn queries(
        &self,
        x: &Tensor<2>,
        rope: &Rope,
        start: usize,
        cache: &mut LayerCache,
    ) -> Tensor<2> {
        let qkv = self.qkv_proj.forward(x.clone(), &self.input_layernorm);
        rotary_cache(self.heads, start, qkv, rope, cache)
    }

    /// The layer's output from its input and its queries.
    fn attend(&self, x: Tensor<2>, q: Tensor<2>, start: usize, cache: &LayerCache) -> Tensor<2> {
        let mixed = causal_attention(self.causal(start), q, cache.keys(), cache.values());
        let x = self.o_proj.add_to(x, mixed);
        let gated = self
            .gate_up_proj
            .gated(x.clone(), &self.post_attention_layernorm);
        self.down_proj.add_to(x, gated)
    }
}

/// The decoder. The fields are in the order of [`DecoderSpec::weights`].
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
    /// Loads the decoder.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &DecoderSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let read = async |builder: &mut Builder<'_, '_, T>| {
            let (embed_tokens, tied_head) = match spec.tied {
                true => builder
                    .tied_embedding()
                    .await
                    .map(|(e, head)| (e, Some(head)))?,
                false => (builder.embedding().await?, None),
            };
            let mut layers = Vec::with_capacity(spec.num_hidden_layers);
            for index in 0..spec.num_hidden_layers {
                layers.push(DecoderLayer::load(spec, index, builder).await?);
            }
            Ok(Decoder {
                embed_tokens,
                layers,
                norm: builder.rms_norm(spec.rms_norm_eps).await?,
                lm_head: match tied_head {
                    Some(head) => head,
                    None => builder.linear().await?,
                },
            })
        };
        builder.part(spec.weights(), read).await
    }

    /// Runs `inputs_embeds` `[tokens, hidden]` as the continuation of `cache`; returns the last layer's output,
    /// `[tokens, hidden]`. The caller has checked that the tokens fit.
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

    /// Recomputes the token `[1, hidden]` at position `start`, which `cache` holds, and returns its attention weights
    /// for the positions in `asked`: the mean over layers and heads, `[asked]`. `cache` is unchanged afterwards.
    pub fn attention_map(
        &self,
        inputs_embeds: Tensor<2>,
        rope: &Rope,
        start: usize,
        cache: &mut KvCache,
        asked: Range<usize>,
    ) -> Tensor<1> {
        let mut x = inputs_embeds;
        let mut sum = Tensor::zeros([asked.len()], &x.device());
        for (index, layer) in self.layers.iter().enumerate() {
            let cache = cache.layer(index);
            let [keys, values] = cache.copy_of(start);
            let q = layer.queries(&x, rope, start, cache);
            let map = attention_map(layer.causal(start), q.clone(), cache.keys(), asked.clone());
            sum = sum + map.mean_dim(1).flatten(0, 2);
            x = layer.attend(x, q, start, cache);
            cache.write(start, keys, values);
        }
        sum.div_scalar(self.layers.len() as f32)
    }

    /// The logits of the last `wanted` rows of [`Decoder::forward`]'s output, `[wanted, vocabulary]`.
    pub fn logits(&self, hidden: Tensor<2>, wanted: usize) -> Tensor<2> {
        let [tokens, _] = hidden.dims();
        let hidden = hidden.narrow(0, tokens - wanted, wanted);
        self.lm_head
            .forward_fused(hidden, self.norm.before(Fused::default()))
    }
}
