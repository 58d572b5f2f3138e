//! The vision tower: pixels of a view -> features.

use super::weights::{Kind, Weight, Weights};

/// Prefix of the tower's tensors.
pub const TOWER: &str = "model.vision_tower.vision_tower.vision_model";

/// The activation between the two layers of a tower's MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `y * sigmoid(1.702 y)`: OpenAI's CLIP.
    QuickGelu,
    /// GELU by the error function: some other CLIPs.
    Gelu,
    /// The tanh approximation of GELU: SigLIP.
    GeluTanh,
}

/// Sizes and choices of a vision transformer (CLIP, SigLIP), validated.
#[derive(Debug, Clone, PartialEq)]
pub struct TowerSpec {
    /// Channels C.
    pub hidden_size: usize,
    /// Inner width of the MLP.
    pub intermediate_size: usize,
    /// Layers in the checkpoint.
    pub num_hidden_layers: usize,
    /// The hidden states that are the features, at least one; several stand side by side on the channels. 0 is what
    /// enters the first layer, k the output of layer k.
    pub features: Vec<usize>,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Side P of a view in pixels.
    pub view_px: usize,
    /// Patch side in pixels.
    pub patch_px: usize,
    /// Epsilon of the LayerNorms.
    pub layer_norm_eps: f64,
    /// Applied between the layers of the MLP.
    pub activation: Activation,
    /// Whether a class token precedes the patches, and a norm the first layer: CLIP.
    pub has_class_token: bool,
    /// Whether the patch convolution has a bias: SigLIP.
    pub has_patch_bias: bool,
    /// Whether a norm follows the last layer: SmolVLM. Others take the features before it.
    pub has_post_norm: bool,
    /// Whether the first token is left out of the features: CLIP's class token.
    pub drops_first_token: bool,
}

impl TowerSpec {
    /// CLIP ViT-L/14-336, which a released `config.json` identifies by its repository.
    pub fn clip_vit_l_14_336() -> Self {
        TowerSpec {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            features: vec![23],
            num_attention_heads: 16,
            view_px: 336,
            patch_px: 14,
            layer_norm_eps: 1e-5,
            activation: Activation::QuickGelu,
            has_class_token: true,
            has_patch_bias: false,
            has_post_norm: false,
            drops_first_token: true,
        }
    }

    /// Tokens along one side of a view, h = P / patch.
    pub fn tokens_per_side(&self) -> usize {
        self.view_px / self.patch_px
    }

    /// Values of a patch, three channels.
    pub fn patch_len(&self) -> usize {
        3 * self.patch_px.pow(2)
    }

    /// Patches of a view, h * h.
    pub fn patches_per_view(&self) -> usize {
        self.tokens_per_side().pow(2)
    }

    /// Features of a view: one for each patch, and one for the class token where it is kept.
    pub fn tokens_per_view(&self) -> usize {
        self.tokens_inside() - usize::from(self.drops_first_token)
    }

    /// Channels of a feature: those of all selected hidden states.
    pub fn feature_channels(&self) -> usize {
        self.hidden_size * self.features.len()
    }

    /// Layers that are computed: none after the last selected one.
    pub fn layers_run(&self) -> usize {
        self.features.iter().copied().max().unwrap_or(0)
    }

    /// Tokens of a view inside the tower: its patches, and the class token if there is one.
    pub fn tokens_inside(&self) -> usize {
        self.patches_per_view() + usize::from(self.has_class_token)
    }

    /// The tensors that are read, in the order of the fields of `vision::tower::Tower`. A checkpoint contains a few
    /// more (the last layer and the norm after it).
    pub fn weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(TOWER);
        let (c, inner, patch) = (self.hidden_size, self.intermediate_size, self.patch_px);
        if self.has_class_token {
            weights.add("embeddings.class_embedding", Kind::Vector, &[c]);
        }
        let patches = "embeddings.patch_embedding";
        let weight = format_args!("{patches}.weight");
        weights.add(weight, Kind::Convolution, &[c, 3, patch, patch]);
        if self.has_patch_bias {
            weights.add(format_args!("{patches}.bias"), Kind::Bias, &[c]);
        }
        let positions = "embeddings.position_embedding.weight";
        weights.add(positions, Kind::Table, &[self.tokens_inside(), c]);
        if self.has_class_token {
            // CLIP's own spelling.
            weights.layer_norm("pre_layrnorm", c);
        }
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
        if self.has_post_norm {
            weights.layer_norm("post_layernorm", c);
        }
        weights.into_list()
    }
}
