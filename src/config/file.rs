//! The files as they are written: what serde reads, and the checks of each entry.

use serde::Deserialize;

use super::{CONFIG_FILE, VisionConfig};
use crate::error::{Error, Result};

/// No size in a configuration may be above this; the released model's largest is 128257.
const SIZE_CAP: usize = 1 << 20;
/// Layers and heads multiply with all other sizes; the released model has 32 of each.
const COUNT_CAP: usize = 1 << 10;

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<u32> {
        match self {
            OneOrMany::One(id) => vec![id],
            OneOrMany::Many(ids) => ids,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct RawVision {
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) image_size: usize,
    pub(super) patch_size: usize,
    pub(super) hidden_act: Option<String>,
    pub(super) layer_norm_eps: Option<f64>,
}

/// This program's own block: an entry that it does not know is a mistake, never another program's.
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
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) vocab_size: usize,
    pub(super) rope_theta: Option<f64>,
    pub(super) rope_scaling: Option<serde_json::Value>,
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
    rope_parameters: Option<serde_json::Value>,
    pub(super) inf_llava: Option<RawInfLlava>,
}

#[derive(Deserialize)]
pub(super) struct RawGeneration {
    pub(super) eos_token_id: Option<OneOrMany>,
}

impl RawConfig {
    /// Refuses what this program would silently compute differently.
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
        if self
            .rope_parameters
            .as_ref()
            .is_some_and(|value| !value.is_null())
        {
            return Err(Error::config(
                CONFIG_FILE,
                "rope_parameters is set; state rope_theta, as the release does",
            ));
        }
        if self.tie_word_embeddings {
            return Err(Error::config(
                CONFIG_FILE,
                "tie_word_embeddings is true; INF-LLaVA has an lm_head of its own",
            ));
        }
        if self.rope_scaling.as_ref().is_some_and(|s| !s.is_null()) {
            return Err(Error::config(
                CONFIG_FILE,
                "rope_scaling is set; LLaMA-3 (8192 positions) has none",
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
    pub(super) fn into_config(self) -> Result<VisionConfig> {
        let vision = VisionConfig {
            hidden_size: size("vision_config.hidden_size", self.hidden_size)?,
            intermediate_size: size("vision_config.intermediate_size", self.intermediate_size)?,
            num_hidden_layers: count("vision_config.num_hidden_layers", self.num_hidden_layers)?,
            num_attention_heads: count(
                "vision_config.num_attention_heads",
                self.num_attention_heads,
            )?,
            crop_px: size("vision_config.image_size", self.image_size)?,
            patch_px: size("vision_config.patch_size", self.patch_size)?,
            layer_norm_eps: positive(
                "vision_config.layer_norm_eps",
                self.layer_norm_eps.unwrap_or(1e-5),
            )?,
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
        if vision.num_hidden_layers < 2 {
            return Err(Error::config(
                CONFIG_FILE,
                "vision_config.num_hidden_layers must be at least 2: the features are the last but one layer's",
            ));
        }
        if vision.crop_px > 2048 {
            return Err(Error::config(
                CONFIG_FILE,
                format!(
                    "vision_config.image_size is {}, at most 2048 is supported",
                    vision.crop_px
                ),
            ));
        }
        divides(
            "vision_config.patch_size",
            vision.patch_px,
            "vision_config.image_size",
            vision.crop_px,
        )?;
        divides(
            "vision_config.num_attention_heads",
            vision.num_attention_heads,
            "vision_config.hidden_size",
            vision.hidden_size,
        )?;
        Ok(vision)
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(file: &str, json: &'a [u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| Error::config(file, e))
}

pub(super) fn size(name: &str, value: usize) -> Result<usize> {
    up_to(SIZE_CAP, name, value)
}

pub(super) fn count(name: &str, value: usize) -> Result<usize> {
    up_to(COUNT_CAP, name, value)
}

fn up_to(cap: usize, name: &str, value: usize) -> Result<usize> {
    if (1..=cap).contains(&value) {
        Ok(value)
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, it must be 1 to {cap}"),
        ))
    }
}

pub(super) fn positive(name: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, it must be a positive number"),
        ))
    }
}

pub(super) fn divides(divisor_name: &str, divisor: usize, name: &str, value: usize) -> Result<()> {
    if value.is_multiple_of(divisor) {
        Ok(())
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, which {divisor_name} = {divisor} does not divide"),
        ))
    }
}
