//! The vision tower, a transformer (CLIP, SigLIP): patches of views -> features. Views are batch entries and do not
//! attend to each other. Only the layers that are computed exist here: of INF-LLaVA those up to `hidden_states[-2]`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpu::ops::{Fused, self_attention};
use crate::load::Builder;
use crate::nn::{LayerNorm, Linear};
use crate::spec::{Activation, Kind, TowerSpec};
use crate::weights::tensors::Tensors;

/// One pre-norm transformer layer.
#[derive(Module, Debug)]
pub struct TowerLayer {
    /// Before the attention.
    pub layer_norm1: LayerNorm,
    /// C -> C.
    pub q_proj: Linear,
    /// C -> C.
    pub k_proj: Linear,
    /// C -> C.
    pub v_proj: Linear,
    /// C -> C.
    pub out_proj: Linear,
    /// Before the MLP.
    pub layer_norm2: LayerNorm,
    /// C -> 4C.
    pub fc1: Linear,
    /// 4C -> C.
    pub fc2: Linear,
    /// Attention heads.
    pub heads: usize,
    /// Applied between the layers of the MLP.
    #[module(skip)]
    pub activation: Activation,
}

impl TowerLayer {
    async fn load<T: Tensors>(spec: &TowerSpec, builder: &mut Builder<'_, '_, T>) -> Result<Self> {
        let eps = spec.layer_norm_eps;
        Ok(TowerLayer {
            layer_norm1: builder.layer_norm(eps).await?,
            q_proj: builder.linear().await?,
            k_proj: builder.linear().await?,
            v_proj: builder.linear().await?,
            out_proj: builder.linear().await?,
            layer_norm2: builder.layer_norm(eps).await?,
            fc1: builder.linear().await?,
            fc2: builder.linear().await?,
            heads: spec.num_attention_heads,
            activation: spec.activation,
        })
    }

    /// `[views, tokens, C]` -> the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [views, tokens, channels] = x.dims();
        let by_view = |y: Tensor<2>| y.reshape([views, tokens, channels]);
        let x = x.reshape([views * tokens, channels]);

        let normed = self.layer_norm1.forward(x.clone());
        let q = by_view(self.q_proj.forward(normed.clone()));
        let k = by_view(self.k_proj.forward(normed.clone()));
        let v = by_view(self.v_proj.forward(normed));
        let mixed = self_attention(self.heads, q, k, v).reshape([views * tokens, channels]);
        let x = self.out_proj.add_to(x, mixed);

        let activation = Fused {
            activation: Some(self.activation),
            ..Fused::default()
        };
        let normed = self.layer_norm2.forward(x.clone());
        let inner = self.fc1.forward_fused(normed, activation);
        by_view(self.fc2.add_to(x, inner))
    }
}

/// The tower. The fields are in the order of [`TowerSpec::weights`].
#[derive(Module, Debug)]
pub struct Tower {
    /// `[C]`; CLIP has one.
    pub class_embedding: Option<Param<Tensor<1>>>,
    /// The patch convolution as a product: 3 * patch * patch -> C.
    pub patch_embedding: Linear,
    /// `[tokens, C]`, including the class token.
    pub position_embedding: Param<Tensor<2>>,
    /// Only in CLIP, which spells it `pre_layrnorm`.
    pub pre_layernorm: Option<LayerNorm>,
    /// The layers that are computed.
    pub layers: Vec<TowerLayer>,
    /// After the last layer; SmolVLM has one.
    pub post_layernorm: Option<LayerNorm>,
    /// The hidden states that are the features, side by side on the channels.
    #[module(skip)]
    pub features: Vec<usize>,
    /// Whether the first token is left out of them.
    pub drops_first_token: bool,
}

impl Tower {
    /// Loads the tower.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &TowerSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let read = async |builder: &mut Builder<'_, '_, T>| {
            let class_embedding = match spec.has_class_token {
                true => Some(Param::from_tensor(builder.tensor(Kind::Vector).await?)),
                false => None,
            };
            let patches = builder.tensor::<4>(Kind::Convolution).await?;
            let patches = patches.reshape([spec.hidden_size, spec.patch_len()]);
            let patch_embedding = Linear::new(patches).with_bias(builder.bias().await?);
            let position_embedding = builder.tensor(Kind::Table).await?;
            let pre_layernorm = match spec.has_class_token {
                true => Some(builder.layer_norm(spec.layer_norm_eps).await?),
                false => None,
            };
            let mut layers = Vec::with_capacity(spec.layers_run());
            for _ in 0..spec.layers_run() {
                layers.push(TowerLayer::load(spec, builder).await?);
            }
            let post_layernorm = match spec.has_post_norm {
                true => Some(builder.layer_norm(spec.layer_norm_eps).await?),
                false => None,
            };
            Ok(Tower {
                class_embedding,
                patch_embedding,
                position_embedding: Param::from_tensor(position_embedding),
                pre_layernorm,
                layers,
                post_layernorm,
                features: spec.features.clone(),
                drops_first_token: spec.drops_first_token,
            })
        };
        builder.part(spec.weights(), read).await
    }

    /// `[views, h * h, 3 * patch * patch]` -> features `[views, tokens, channels]`, of the tokens and the hidden states
    /// that the model takes. `hidden` is called with the input of the first layer and the output of each,
    /// `[views, tokens, C]`.
    pub fn forward(
        &self,
        patches: Tensor<3>,
        mut hidden: impl FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        let [views, ..] = patches.dims();
        let embedded = self.patch_embedding.forward(patches);
        let channels = embedded.dims()[2];
        let embedded = match &self.class_embedding {
            Some(class) => {
                let class = class.val().reshape([1, 1, channels]);
                Tensor::cat(vec![class.expand([views, 1, channels]), embedded], 1)
            }
            None => embedded,
        };
        let mut x = embedded + self.position_embedding.val().unsqueeze::<3>();
        if let Some(norm) = &self.pre_layernorm {
            x = norm.forward(x);
        }
        let mut selected: Vec<Option<Tensor<3>>> = vec![None; self.features.len()];
        let mut select = |index: usize, x: &Tensor<3>| {
            hidden(index, x);
            let wanted = self.features.iter().zip(&mut selected);
            for (_, place) in wanted.filter(|(wanted, _)| **wanted == index) {
                *place = Some(x.clone());
            }
        };
        select(0, &x);
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            select(index + 1, &x);
        }
        // No layer is loaded beyond the last selected one, so none is missing.
        let selected: Vec<Tensor<3>> = selected.into_iter().flatten().collect();
        let features = match <[Tensor<3>; 1]>::try_from(selected) {
            Ok([features]) => features,
            Err(several) => Tensor::cat(several, 2),
        };
        let [_, tokens, _] = features.dims();
        let first = usize::from(self.drops_first_token);
        let features = features.narrow(1, first, tokens - first);
        match &self.post_layernorm {
            Some(norm) => norm.forward(features),
            None => features,
        }
    }
}
