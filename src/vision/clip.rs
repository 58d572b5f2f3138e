//! The CLIP vision tower (spec/model.md, section 3): patches of crops -> features. Crops are batch
//! entries and never see each other. Only the layers up to `hidden_states[-2]` exist here.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::gpu::ops::{Fused, self_attention};
use crate::nn::{LayerNorm, Linear};

/// One pre-norm transformer layer.
#[derive(Module, Debug)]
pub struct ClipLayer {
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
}

impl ClipLayer {
    /// `[crops, tokens, C]` -> the same.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [crops, tokens, channels] = x.dims();
        let by_crop = |y: Tensor<2>| y.reshape([crops, tokens, channels]);
        let x = x.reshape([crops * tokens, channels]);

        let normed = self.layer_norm1.forward(x.clone());
        let q = by_crop(self.q_proj.forward(normed.clone()));
        let k = by_crop(self.k_proj.forward(normed.clone()));
        let v = by_crop(self.v_proj.forward(normed));
        let mixed = self_attention(self.heads, q, k, v).reshape([crops * tokens, channels]);
        let x = self.out_proj.add_to(x, mixed);

        let quick_gelu = Fused {
            quick_gelu: true,
            ..Fused::default()
        };
        let normed = self.layer_norm2.forward(x.clone());
        let inner = self.fc1.forward_fused(normed, quick_gelu);
        by_crop(self.fc2.add_to(x, inner))
    }
}

/// The tower. The fields are in the order of `weights::names::clip_tower`.
#[derive(Module, Debug)]
pub struct ClipTower {
    /// `[C]`.
    pub class_embedding: Param<Tensor<1>>,
    /// The patch convolution as a product: 3 * patch * patch -> C, no bias.
    pub patch_embedding: Linear,
    /// `[h * h + 1, C]`.
    pub position_embedding: Param<Tensor<2>>,
    /// CLIP's own spelling is `pre_layrnorm`.
    pub pre_layernorm: LayerNorm,
    /// The layers that are run.
    pub layers: Vec<ClipLayer>,
}

impl ClipTower {
    /// `[crops, h * h, 3 * patch * patch]` -> features `[crops, h * h, C]`, without the class token.
    /// `hidden` sees the input of the first layer and the output of each, `[crops, h * h + 1, C]`.
    pub fn forward(
        &self,
        patches: Tensor<3>,
        mut hidden: impl FnMut(usize, &Tensor<3>),
    ) -> Tensor<3> {
        let [crops, tokens, _] = patches.dims();
        let embedded = self.patch_embedding.forward(patches);
        let channels = embedded.dims()[2];
        let class = self
            .class_embedding
            .val()
            .reshape([1, 1, channels])
            .expand([crops, 1, channels]);
        let positions = self.position_embedding.val().unsqueeze::<3>();
        let mut x = self
            .pre_layernorm
            .forward(Tensor::cat(vec![class, embedded], 1) + positions);
        hidden(0, &x);
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x);
            hidden(index + 1, &x);
        }
        x.narrow(1, 1, tokens)
    }
}
