//! `config.json` and its companions in the released Hugging Face layout -> sizes of the model.
//!
//! In: the text of the files, untrusted. Out: [`Config`], every number of which has been checked
//! against a cap, so that later code may multiply them. Knows nothing of tensors.

mod ablation;
mod file;
mod file_names;
mod kind;
mod processor;
mod rope;
mod scope;
mod sizes;

pub use ablation::{Ablation, Dem, Directions, Fusion, Modules, Pooling};

use crate::error::{Error, Result};
use file::{RawConfig, RawGeneration, count, divides, parse, positive, size};

pub use file_names::{
    CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
pub use processor::check_processor;
pub use scope::{Remark, RemarkCode, Scope, question, wording};
pub use sizes::{LanguageConfig, VisionConfig};

/// LLaMA-3's `<|begin_of_text|>`.
const BEGIN_OF_TEXT: u32 = 128_000;

/// Tokens of context that are kept unless more is asked for (spec: the model may know 8192).
const DEFAULT_CONTEXT_TOKENS: usize = 4096;

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
    /// What is computed between tower and projector.
    pub ablation: Ablation,
    /// First id of a prompt: LLaMA-3's where no file states one ([`Config::states_bos`]).
    pub bos_token_id: u32,
    /// Whether config.json states `bos_token_id`. Where it does not, the tokenizer tells.
    pub states_bos: bool,
    /// Ids that end an answer, as far as the files list them; none where they list none. The end of a turn, which the
    /// conversation's template has, ends one too: `text::stops` adds it.
    pub eos_token_ids: Vec<u32>,
    /// True for weights that are known to be random, as in the fixtures.
    pub random_weights: bool,
    /// The only kind of picture that the model knows; `None` for a general model.
    pub scope: Option<Scope>,
}

impl Config {
    /// Reads `config.json` and, where there is one, `generation_config.json`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the entry that is missing, out of range or not supported.
    pub fn from_json(config: &[u8], generation: Option<&[u8]>) -> Result<Self> {
        kind::check(&parse(CONFIG_FILE, config)?)?;
        let raw: RawConfig = parse(CONFIG_FILE, config)?;
        let bad = |reason: String| Error::config(CONFIG_FILE, reason);
        raw.check_choices()?;
        let rope_theta = positive("rope_theta", rope::theta(&raw)?)?;

        let vision = match raw.vision_config {
            Some(v) => v.into_config()?,
            None => VisionConfig::clip_vit_l_14_336(),
        };
        let heads = raw.num_attention_heads.unwrap_or(32);
        let or = |name: &str, value: Option<usize>, default| size(name, value.unwrap_or(default));
        let language = LanguageConfig {
            hidden_size: or("hidden_size", raw.hidden_size, 4096)?,
            intermediate_size: or("intermediate_size", raw.intermediate_size, 11_008)?,
            num_hidden_layers: count("num_hidden_layers", raw.num_hidden_layers.unwrap_or(32))?,
            num_attention_heads: count("num_attention_heads", heads)?,
            num_key_value_heads: count(
                "num_key_value_heads",
                raw.num_key_value_heads.unwrap_or(heads),
            )?,
            vocab_size: or("vocab_size", raw.vocab_size, 32_000)?,
            rope_theta,
            rms_norm_eps: positive("rms_norm_eps", raw.rms_norm_eps.unwrap_or(1e-6))?,
            max_position_embeddings: or(
                "max_position_embeddings",
                raw.max_position_embeddings,
                2048,
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
        if !language.head_dim().is_multiple_of(2) {
            return Err(bad(format!(
                "hidden_size / num_attention_heads = {} is odd; rotary embeddings turn pairs of channels",
                language.head_dim()
            )));
        }
        if let Some(head_dim) = raw.head_dim.filter(|&dim| dim != language.head_dim()) {
            return Err(bad(format!(
                "head_dim is {head_dim}, and hidden_size / num_attention_heads is {}; heads of another width are not computed here",
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
        let ablation = Ablation::from_raw(&extra)?;
        let dem_heads = count("inf_llava.dem_heads", extra.dem_heads.unwrap_or(8))?;
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

        let in_vocabulary = |file: &str, name: &str, id: u32| {
            if (id as usize) < language.vocab_size {
                Ok(id)
            } else {
                Err(Error::config(
                    file,
                    format!(
                        "{name} is {id}, the vocabulary has {} entries",
                        language.vocab_size
                    ),
                ))
            }
        };
        let states_bos = raw.bos_token_id.is_some();
        let bos_token_id = match raw.bos_token_id {
            Some(id) => in_vocabulary(CONFIG_FILE, "bos_token_id", id)?,
            None => BEGIN_OF_TEXT,
        };
        let mut eos_token_ids = match generation {
            Some(json) => parse::<RawGeneration>(GENERATION_FILE, json)?.eos_token_id,
            None => None,
        };
        let mut eos_file = GENERATION_FILE;
        if eos_token_ids.as_ref().is_none_or(|ids| ids.0.is_empty()) {
            (eos_token_ids, eos_file) = (raw.eos_token_id, CONFIG_FILE);
        }
        let eos_token_ids = eos_token_ids.map_or_else(Vec::new, |ids| ids.0);
        for &id in &eos_token_ids {
            in_vocabulary(eos_file, "eos_token_id", id)?;
        }
        Ok(Config {
            vision,
            language,
            crops_per_side,
            dem_heads,
            ablation,
            bos_token_id,
            states_bos,
            eos_token_ids,
            random_weights: extra.random_weights,
            scope: extra.scope.as_deref().map(Scope::from_name).transpose()?,
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

    /// Tokens of context to make room for: those asked for, or the default.
    ///
    /// # Errors
    /// [`Error::Option`] for none, or more than the model knows positions.
    pub fn context_tokens(&self, asked: Option<usize>) -> Result<usize> {
        let known = self.language.max_position_embeddings;
        match asked.unwrap_or(known.min(DEFAULT_CONTEXT_TOKENS)) {
            tokens if (1..=known).contains(&tokens) => Ok(tokens),
            tokens => Err(Error::Option {
                option: "context".into(),
                reason: format!(
                    "it is {tokens} and must be 1 to {known}, the positions that the model knows"
                ),
            }),
        }
    }

    /// Bytes of the key/value cache for one token of context, in f32.
    pub fn cache_bytes_per_token(&self) -> u64 {
        let l = &self.language;
        8 * l.num_hidden_layers as u64 * (l.num_key_value_heads * l.head_dim()) as u64
    }
}
