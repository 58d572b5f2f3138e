//! Sizes of the two towers, checked.

/// Sizes of the CLIP vision tower.
#[derive(Debug, Clone, PartialEq)]
pub struct VisionConfig {
    /// Channels C.
    pub hidden_size: usize,
    /// Inner width of the MLP.
    pub intermediate_size: usize,
    /// Layers in the checkpoint; one fewer is run.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Crop side P in pixels.
    pub crop_px: usize,
    /// Patch side in pixels.
    pub patch_px: usize,
    /// Epsilon of the LayerNorms.
    pub layer_norm_eps: f64,
}

impl VisionConfig {
    /// Tokens along one side of a crop, h = P / patch.
    pub fn tokens_per_side(&self) -> usize {
        self.crop_px / self.patch_px
    }

    /// Layers that are run: the features are `hidden_states[-2]`.
    pub fn layers_run(&self) -> usize {
        self.num_hidden_layers - 1
    }

    /// CLIP ViT-L/14-336, which a released `config.json` names by its repository.
    pub fn clip_vit_l_14_336() -> Self {
        VisionConfig {
            hidden_size: 1024,
            intermediate_size: 4096,
            num_hidden_layers: 24,
            num_attention_heads: 16,
            crop_px: 336,
            patch_px: 14,
            layer_norm_eps: 1e-5,
        }
    }
}

/// Sizes of the LLaMA decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct LanguageConfig {
    /// Channels.
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

impl LanguageConfig {
    /// Channels of one head.
    pub fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}
