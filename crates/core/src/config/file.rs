//! INF-LLaVA's config.json: the structures that serde reads, and the checks of each key. A missing key has
//! the default of its class in transformers (`LlamaConfig`, `CLIPVisionConfig`), since files are
//! saved without default values.

use serde::Deserialize;
use serde_json::Value;

use super::checks::{count, divides, positive, size};
use super::file_names::CONFIG_FILE;
use super::ids::OneOrMany;
use crate::error::{Error, Result};
use crate::spec::TowerSpec;

#[derive(Deserialize)]
pub(super) struct RawVision {
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    num_channels: Option<usize>,
    image_size: Option<usize>,
    patch_size: Option<usize>,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
}

/// This program's own block: an unknown key is always an error here.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInfLlava {
    pub(super) crops_per_side: Option<usize>,
    pub(super) dem_heads: Option<usize>,
    #[serde(default)]
    pub(super) random_weights: bool,
    pub(super) low_resolution: Option<bool>,
    pub(super) pooling: Option<String>,
    pub(super) modules: Option<String>,
    pub(super) enhancement: Option<String>,
    pub(super) fusion: Option<String>,
    pub(super) dem: Option<String>,
    pub(super) scope: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RawConfig {
    pub(super) model_type: Option<String>,
    pub(super) hidden_size: Option<usize>,
    pub(super) intermediate_size: Option<usize>,
    pub(super) num_hidden_layers: Option<usize>,
    pub(super) num_attention_heads: Option<usize>,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) vocab_size: Option<usize>,
    pub(super) rope_theta: Option<f64>,
    pub(super) rope_scaling: Option<Value>,
    pub(super) rope_parameters: Option<Value>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) max_position_embeddings: Option<usize>,
    pub(super) hidden_act: Option<String>,
    #[serde(default)]
    pub(super) tie_word_embeddings: bool,
    pub(super) bos_token_id: Option<u32>,
    pub(super) eos_token_id: Option<OneOrMany>,
    pub(super) mm_hidden_size: Option<usize>,
    pub(super) mm_projector_type: Option<String>,
    pub(super) mm_vision_tower: Option<String>,
    pub(super) mm_vision_select_layer: Option<i64>,
    pub(super) mm_vision_select_feature: Option<String>,
    pub(super) image_aspect_ratio: Option<String>,
    pub(super) vision_config: Option<RawVision>,
    mm_use_im_start_end: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    pub(super) inf_llava: Option<RawInfLlava>,
}

impl RawConfig {
    /// Refuses settings that this program would otherwise silently ignore.
    pub(super) fn check_choices(&self) -> Result<()> {
        let only = |name: &str, found: &Option<String>, wanted: &[&str]| match found {
            Some(value) if !wanted.contains(&value.as_str()) => Err(Error::config(
                CONFIG_FILE,
                format!("{name} is {value:?}; supported: {}", wanted.join(", ")),
            )),
            _ => Ok(()),
        };
        only("hidden_act", &self.hidden_act, &["silu"])?;
        only(
            "mm_projector_type",
            &self.mm_projector_type,
            &["mlp2x_gelu"],
        )?;
        only(
            "mm_vision_select_feature",
            &self.mm_vision_select_feature,
            &["patch"],
        )?;
        only("image_aspect_ratio", &self.image_aspect_ratio, &["pad"])?;
        if self.mm_vision_select_layer.is_some_and(|layer| layer != -2) {
            return Err(Error::config(
                CONFIG_FILE,
                "mm_vision_select_layer must be -2",
            ));
        }
        let flags = [
            ("mm_use_im_start_end", self.mm_use_im_start_end),
            ("attention_bias", self.attention_bias),
            ("mlp_bias", self.mlp_bias),
        ];
        if let Some((name, _)) = flags.iter().find(|(_, flag)| *flag == Some(true)) {
            return Err(Error::config(
                CONFIG_FILE,
                format!("{name} is true; INF-LLaVA has it off"),
            ));
        }
        if self.tie_word_embeddings {
            return Err(Error::config(
                CONFIG_FILE,
                "tie_word_embeddings is true; INF-LLaVA has an lm_head of its own",
            ));
        }
        if self.vision_config.is_none() && !self.names_known_tower() {
            return Err(Error::config(
                CONFIG_FILE,
                format!(
                    "mm_vision_tower is {:?} and there is no vision_config; only openai/clip-vit-large-patch14-336 is known by name",
                    self.mm_vision_tower
                ),
            ));
        }
        Ok(())
    }

    fn names_known_tower(&self) -> bool {
        self.mm_vision_tower
            .as_deref()
            .is_none_or(|name| name.ends_with("clip-vit-large-patch14-336"))
    }
}

impl RawVision {
    pub(super) fn into_spec(self) -> Result<TowerSpec> {
        let named = |name: &str| format!("vision_config.{name}");
        if let Some(kind) = self.model_type.filter(|kind| kind != "clip_vision_model") {
            return Err(Error::config(
                CONFIG_FILE,
                format!("vision_config.model_type is {kind:?}; supported: clip_vision_model"),
            ));
        }
        if self.num_channels.is_some_and(|channels| channels != 3) {
            return Err(Error::config(
                CONFIG_FILE,
                "vision_config.num_channels must be 3: red, green and blue",
            ));
        }
        let or = |name: &str, value: Option<usize>, default| {
            size(&named(name), value.unwrap_or(default))
        };
        let layers = self.num_hidden_layers.unwrap_or(12);
        let layers = count(&named("num_hidden_layers"), layers)?;
        let tower = TowerSpec {
            hidden_size: or("hidden_size", self.hidden_size, 768)?,
            intermediate_size: or("intermediate_size", self.intermediate_size, 3072)?,
            num_hidden_layers: layers,
            // `hidden_states[-2]`.
            features: vec![layers.saturating_sub(1)],
            num_attention_heads: count(
                &named("num_attention_heads"),
                self.num_attention_heads.unwrap_or(12),
            )?,
            view_px: or("image_size", self.image_size, 224)?,
            patch_px: or("patch_size", self.patch_size, 32)?,
            layer_norm_eps: positive(
                &named("layer_norm_eps"),
                self.layer_norm_eps.unwrap_or(1e-5),
            )?,
            ..TowerSpec::clip_vit_l_14_336()
        };
        if self
            .hidden_act
            .as_deref()
            .is_some_and(|act| act != "quick_gelu")
        {
            return Err(Error::config(
                CONFIG_FILE,
                "vision_config.hidden_act must be quick_gelu",
            ));
        }
        if tower.num_hidden_layers < 2 {
            return Err(Error::config(
                CONFIG_FILE,
                "vision_config.num_hidden_layers must be at least 2: the features are the last but one layer's",
            ));
        }
        if tower.view_px > 2048 {
            return Err(Error::config(
                CONFIG_FILE,
                format!(
                    "vision_config.image_size is {}, at most 2048 is supported",
                    tower.view_px
                ),
            ));
        }
        divides(
            "vision_config.patch_size",
            tower.patch_px,
            "vision_config.image_size",
            tower.view_px,
        )?;
        divides(
            "vision_config.num_attention_heads",
            tower.num_attention_heads,
            "vision_config.hidden_size",
            tower.hidden_size,
        )?;
        Ok(tower)
    }
}
