//! The vision tower: pixels of a view -> features.

use super::weights::{Kind, Weight, Weights};

/// Prefix of the tower's tensors.
pub const TOWER: &str = "model.vision_tower.vision_tower.vision_model";

/// Sizes of a CLIP tower (spec of `transformers`' `CLIPVisionConfig`), checked.
#[derive(Debug, Clone, PartialEq)]
pub struct TowerSpec {
    /// Channels C.
    pub hidden_size: usize,
    /// Inner width of the MLP.
    pub intermediate_size: usize,
    /// Layers in the checkpoint; one fewer is run.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Side P of a view in pixels.
    pub view_px: usize,
    /// Patch side in pixels.
    pub patch_px: usize,
    /// Epsilon of the LayerNorms.
    pub layer_norm_eps: f64,
}

impl TowerSpec {
    /// CLIP ViT-L/14-336, which a released `config.json` names by its repository.
    pub fn clip_vit_l_14_336() -> Self {
        TowerSpec {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            view_px: 336,
            patch_px: 14,
            layer_norm_eps: 1e-5,
        }
    }

    /// Tokens along one side of a view, h = P / patch.
    pub fn tokens_per_side(&self) -> usize {
        self.view_px / self.patch_px
    }

    /// Numbers of a patch, three channels.
    pub fn patch_len(&self) -> usize {
        3 * self.patch_px.pow(2)
    }

    /// Features of a view, h * h: one a patch.
    pub fn tokens_per_view(&self) -> usize {
        self.tokens_per_side().pow(2)
    }

    /// Tokens of a view inside the tower: its patches and the class token.
    pub fn tokens_inside(&self) -> usize {
        self.tokens_per_view() + 1
    }

    /// Layers that are run: the features are `hidden_states[-2]`.
    pub fn layers_run(&self) -> usize {
        self.num_hidden_layers - 1
    }

    /// The tensors that are read, in the order of the fields of `vision::tower::Tower`. A checkpoint holds a few more
    /// (the last layer and the norm behind it).
    pub fn weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(TOWER);
        let (c, inner, patch) = (self.hidden_size, self.intermediate_size, self.patch_px);
        weights.add("embeddings.class_embedding", Kind::Vector, &[c]);
        weights.add(
            "embeddings.patch_embedding.weight",
            Kind::Convolution,
            &[c, 3, patch, patch],
        );
        weights.add(
            "embeddings.position_embedding.weight",
            Kind::Table,
            &[self.tokens_inside(), c],
        );
        // CLIP's own spelling.
        weights.layer_norm("pre_layrnorm", c);
        for layer in 0..self.layers_run() {
            weights.within(format_args!("encoder.layers.{layer}"), |weights| {
                weights.layer_norm("layer_norm1", c);
                for name in ["q_proj", "k_proj", "v_proj", "out_proj"] {
                    weights.linear(format_args!("self_attn.{name}"), c, c);
                }
                weights.layer_norm("layer_norm2", c);
                weights.linear("mlp.fc1", c, inner);
                weights.linear("mlp.fc2", inner, c);
            });
        }
        weights.into_list()
    }
}
