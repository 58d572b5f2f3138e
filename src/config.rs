//! `config.json` and its companions in the released Hugging Face layout -> sizes of the model.
//!
//! In: the text of the files, untrusted. Out: [`Config`], every number of which has been checked
//! against a cap, so that later code may multiply them. Knows nothing of tensors.

use serde::Deserialize;

use crate::error::{Error, Result};

/// File name of the model's configuration.
pub const CONFIG_FILE: &str = "config.json";
/// File name of the picture processor's configuration.
pub const PREPROCESSOR_FILE: &str = "preprocessor_config.json";
/// File name of the generation settings.
pub const GENERATION_FILE: &str = "generation_config.json";

/// No size in a configuration may be above this; the released model's largest is 128257.
const SIZE_CAP: usize = 1 << 20;
/// Tokens of context that are kept unless more is asked for (spec: the model may know 8192).
const DEFAULT_CONTEXT_TOKENS: usize = 4096;

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

/// Everything that the files of a model folder say about its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The vision tower.
    pub vision: VisionConfig,
    /// The decoder.
    pub language: LanguageConfig,
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Heads of the enhancement's attention.
    pub dem_heads: usize,
    /// First id of a prompt.
    pub bos_token_id: u32,
    /// Ids that end an answer.
    pub eos_token_ids: Vec<u32>,
    /// True for weights that are known to be random, as in the fixtures.
    pub random_weights: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<u32> {
        match self {
            OneOrMany::One(id) => vec![id],
            OneOrMany::Many(ids) => ids,
        }
    }
}

#[derive(Deserialize)]
struct RawVision {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    image_size: usize,
    patch_size: usize,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f64>,
}

#[derive(Deserialize, Default)]
struct RawInfLlava {
    crops_per_side: Option<usize>,
    dem_heads: Option<usize>,
    #[serde(default)]
    random_weights: bool,
}

#[derive(Deserialize)]
struct RawConfig {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    vocab_size: usize,
    rope_theta: Option<f64>,
    rope_scaling: Option<serde_json::Value>,
    rms_norm_eps: Option<f64>,
    max_position_embeddings: Option<usize>,
    hidden_act: Option<String>,
    #[serde(default)]
    tie_word_embeddings: bool,
    bos_token_id: Option<u32>,
    eos_token_id: Option<OneOrMany>,
    mm_hidden_size: Option<usize>,
    mm_projector_type: Option<String>,
    mm_vision_tower: Option<String>,
    mm_vision_select_layer: Option<i64>,
    mm_vision_select_feature: Option<String>,
    image_aspect_ratio: Option<String>,
    vision_config: Option<RawVision>,
    inf_llava: Option<RawInfLlava>,
}

#[derive(Deserialize)]
struct RawGeneration {
    eos_token_id: Option<OneOrMany>,
}

impl Config {
    /// Reads `config.json` and, where there is one, `generation_config.json`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the entry that is missing, out of range or not supported.
    pub fn from_json(config: &[u8], generation: Option<&[u8]>) -> Result<Self> {
        let raw: RawConfig = parse(CONFIG_FILE, config)?;
        let bad = |reason: String| Error::config(CONFIG_FILE, reason);
        raw.check_choices()?;

        let vision = match raw.vision_config {
            Some(v) => v.into_config()?,
            None => VisionConfig::clip_vit_l_14_336(),
        };
        let language = LanguageConfig {
            hidden_size: size("hidden_size", raw.hidden_size)?,
            intermediate_size: size("intermediate_size", raw.intermediate_size)?,
            num_hidden_layers: size("num_hidden_layers", raw.num_hidden_layers)?,
            num_attention_heads: size("num_attention_heads", raw.num_attention_heads)?,
            num_key_value_heads: size(
                "num_key_value_heads",
                raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            )?,
            vocab_size: size("vocab_size", raw.vocab_size)?,
            rope_theta: positive("rope_theta", raw.rope_theta.unwrap_or(500_000.0))?,
            rms_norm_eps: positive("rms_norm_eps", raw.rms_norm_eps.unwrap_or(1e-5))?,
            max_position_embeddings: size(
                "max_position_embeddings",
                raw.max_position_embeddings.unwrap_or(8192),
            )?,
        };
        divides(
            "num_attention_heads",
            language.num_attention_heads,
            "hidden_size",
            language.hidden_size,
        )?;
        divides(
            "num_key_value_heads",
            language.num_key_value_heads,
            "num_attention_heads",
            language.num_attention_heads,
        )?;
        if language.head_dim() % 2 != 0 {
            return Err(bad(format!(
                "hidden_size / num_attention_heads = {} is odd; rotary embeddings turn pairs of channels",
                language.head_dim()
            )));
        }
        if let Some(width) = raw.mm_hidden_size
            && width != vision.hidden_size
        {
            return Err(bad(format!(
                "mm_hidden_size is {width}, the vision tower's hidden_size is {}",
                vision.hidden_size
            )));
        }

        let extra = raw.inf_llava.unwrap_or_default();
        let crops_per_side = extra.crops_per_side.unwrap_or(3);
        if !(1..=16).contains(&crops_per_side) {
            return Err(bad(format!(
                "inf_llava.crops_per_side is {crops_per_side}, it must be 1 to 16"
            )));
        }
        let dem_heads = size("inf_llava.dem_heads", extra.dem_heads.unwrap_or(8))?;
        divides(
            "inf_llava.dem_heads",
            dem_heads,
            "vision_config.hidden_size",
            vision.hidden_size,
        )?;
        divides(
            "16 (the enhancement's inner width is C / 16)",
            16,
            "vision_config.hidden_size",
            vision.hidden_size,
        )?;

        let in_vocabulary = |name: &str, id: u32| {
            if (id as usize) < language.vocab_size {
                Ok(id)
            } else {
                Err(bad(format!(
                    "{name} is {id}, the vocabulary has {} entries",
                    language.vocab_size
                )))
            }
        };
        let bos_token_id = in_vocabulary("bos_token_id", raw.bos_token_id.unwrap_or(128_000))?;
        let mut eos_token_ids = match generation {
            Some(json) => {
                let raw: RawGeneration = parse(GENERATION_FILE, json)?;
                raw.eos_token_id
                    .map(OneOrMany::into_vec)
                    .unwrap_or_default()
            }
            None => Vec::new(),
        };
        if eos_token_ids.is_empty() {
            eos_token_ids = raw
                .eos_token_id
                .map(OneOrMany::into_vec)
                .unwrap_or_else(|| vec![128_001, 128_009]);
        }
        for &id in &eos_token_ids {
            in_vocabulary("eos_token_id", id)?;
        }
        Ok(Config {
            vision,
            language,
            crops_per_side,
            dem_heads,
            bos_token_id,
            eos_token_ids,
            random_weights: extra.random_weights,
        })
    }

    /// Side S = N * P of the resized square in pixels. The processor's file may say less: training
    /// multiplied its size in code, so this wins over it (spec/model.md, section 1).
    pub fn square_px(&self) -> usize {
        self.crops_per_side * self.vision.crop_px
    }

    /// Visual tokens of one picture: h * h, whatever N is.
    pub fn image_tokens(&self) -> usize {
        self.vision.tokens_per_side().pow(2)
    }

    /// Tokens of context used unless something else is asked for.
    pub fn default_context_tokens(&self) -> usize {
        self.language
            .max_position_embeddings
            .min(DEFAULT_CONTEXT_TOKENS)
    }

    /// Bytes of the key/value cache for one token of context, in f32.
    pub fn cache_bytes_per_token(&self) -> u64 {
        let l = &self.language;
        (2 * l.num_hidden_layers * l.num_key_value_heads * l.head_dim() * 4) as u64
    }
}

impl RawConfig {
    /// Refuses what this program would silently compute differently.
    fn check_choices(&self) -> Result<()> {
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
    fn into_config(self) -> Result<VisionConfig> {
        let vision = VisionConfig {
            hidden_size: size("vision_config.hidden_size", self.hidden_size)?,
            intermediate_size: size("vision_config.intermediate_size", self.intermediate_size)?,
            num_hidden_layers: size("vision_config.num_hidden_layers", self.num_hidden_layers)?,
            num_attention_heads: size(
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

fn parse<'a, T: Deserialize<'a>>(file: &str, json: &'a [u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| Error::config(file, e))
}

fn size(name: &str, value: usize) -> Result<usize> {
    if (1..=SIZE_CAP).contains(&value) {
        Ok(value)
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, it must be 1 to {SIZE_CAP}"),
        ))
    }
}

fn positive(name: &str, value: f64) -> Result<f64> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, it must be a positive number"),
        ))
    }
}

fn divides(divisor_name: &str, divisor: usize, name: &str, value: usize) -> Result<()> {
    if value.is_multiple_of(divisor) {
        Ok(())
    } else {
        Err(Error::config(
            CONFIG_FILE,
            format!("{name} is {value}, which {divisor_name} = {divisor} does not divide"),
        ))
    }
}
