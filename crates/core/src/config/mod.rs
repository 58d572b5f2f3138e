//! Reads `config.json` and its companions: which model it is, and its sizes.
//!
//! In: the text of the files, untrusted. Out: [`Config`], every number of which has been checked
//! against a cap, so that products of them do not overflow. This module does not know of tensors.

mod connector;
mod decoder;
mod file;
mod file_names;
mod kind;
mod processor;
mod rope;
mod scope;
mod vision;

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::image::{Filter, Normalise, PAD_COLOUR};
use crate::printable::quoted;
use crate::spec::{Connector, DecoderSpec, TowerSpec, Weight};
use file::{RawConfig, RawGeneration, parse};

pub use file_names::{
    CHAT_TEMPLATE_FILE, CHAT_TEMPLATE_JSON_FILE, CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE,
    PROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
pub use scope::{Remark, RemarkCode, Scope, question, wording};
pub use vision::{Dual, Pixels, Treatment, Vision};

/// LLaMA-3's `<|begin_of_text|>`.
const BEGIN_OF_TEXT: u32 = 128_000;

/// Default context in tokens (the model may support 8192).
const DEFAULT_CONTEXT_TOKENS: usize = 4096;

/// The model's configuration from the files of its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What the files call this kind of model: `model_type`.
    pub kind: String,
    /// The vision side; none of a language model.
    pub vision: Option<Vision>,
    /// The decoder: embeddings -> logits.
    pub decoder: DecoderSpec,
    /// The prompt that the model was trained with.
    pub prompt: OwnPrompt,
    /// The id that stands for a visual token where a prompt is written as ids.
    pub image_token_id: Option<u32>,
    /// First id of a prompt; LLaMA-3's if no file gives one ([`Config::states_bos`]).
    pub bos_token_id: u32,
    /// Whether config.json has `bos_token_id`. If not, the tokenizer's is used.
    pub states_bos: bool,
    /// Ids that end an answer, as listed in the files; empty if they list none. The end of a turn
    /// in the conversation's template also ends an answer: `text::stops` adds it.
    pub eos_token_ids: Vec<u32>,
    /// Whether the weights are known to be random, as in the test fixtures.
    pub random_weights: bool,
    /// The only kind of picture that the model was trained on; `None` for a general model.
    pub scope: Option<Scope>,
}

/// The prompt that a model was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnPrompt {
    /// INF-LLaVA's `conv_llama3`, whatever template lies beside it.
    ConvLlama3,
    /// The chat template among its files.
    Checkpoint,
    /// One that the original LLaVA has in its code (`conversation.py`), chosen by the decoder.
    Conversation(Conversation),
}

/// A conversation of the original LLaVA's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversation {
    /// `vicuna_v1`, of LLaMA decoders.
    VicunaV1,
    /// `mistral_instruct`.
    Mistral,
    /// `qwen_1_5`, which is ChatML with a system message.
    Qwen,
}

/// The files of a model folder that say what the model is.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConfigFiles<'a> {
    /// `config.json`.
    pub config: &'a [u8],
    /// `generation_config.json`.
    pub generation: Option<&'a [u8]>,
    /// `preprocessor_config.json`.
    pub preprocessor: Option<&'a [u8]>,
    /// `processor_config.json`, which takes precedence where it has an `image_processor`.
    pub processor: Option<&'a [u8]>,
    /// Names of the checkpoint's tensors, spelled as in the original layout (`weights::spelling`). Some models differ
    /// in nothing else. Without it INF-LLaVA is assumed where several are possible, and an `lm_head` where
    /// config.json does not say that the head is tied.
    pub tensors: Option<&'a BTreeSet<String>>,
}

impl Config {
    /// Reads `config.json` and, where there is one, `generation_config.json`: of a model that these describe alone.
    ///
    /// # Errors
    /// As [`Config::from_files`].
    pub fn from_json(config: &[u8], generation: Option<&[u8]>) -> Result<Self> {
        Config::from_files(&ConfigFiles {
            config,
            generation,
            ..ConfigFiles::default()
        })
    }

    /// Reads the files of a model folder.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is missing, out of range or not supported.
    pub fn from_files(files: &ConfigFiles<'_>) -> Result<Self> {
        kind::check(&parse(CONFIG_FILE, files.config)?)?;
        let mut raw: RawConfig = parse(CONFIG_FILE, files.config)?;
        let bad = |reason: String| Error::config(CONFIG_FILE, reason);
        raw.check_choices()?;
        if let Some(json) = files.preprocessor {
            processor::check_clip(json)?;
        }
        let tower = match raw.vision_config.take() {
            Some(vision) => vision.into_spec()?,
            None => TowerSpec::clip_vit_l_14_336(),
        };
        let decoder = raw.decoder()?;
        if let Some(width) = raw.mm_hidden_size
            && width != tower.hidden_size
        {
            return Err(bad(format!(
                "mm_hidden_size is {width}, the vision tower's hidden_size is {}",
                tower.hidden_size
            )));
        }

        let extra = raw.inf_llava.unwrap_or_default();
        let tiling = extra.tiling()?;
        let connector = extra.connector(&tower, decoder.hidden_size)?;
        let states_bos = raw.bos_token_id.is_some();
        let bos_token_id = match raw.bos_token_id {
            Some(id) => in_vocabulary(&decoder, CONFIG_FILE, "bos_token_id", id)?,
            None => BEGIN_OF_TEXT,
        };
        Ok(Config {
            kind: raw.model_type.unwrap_or_else(|| "llava_llama".into()),
            eos_token_ids: stop_ids(&decoder, files.generation, raw.eos_token_id)?,
            vision: Some(Vision {
                tower,
                tiling,
                pixels: Pixels {
                    ground: PAD_COLOUR,
                    filter: Filter::Bicubic,
                    normalise: Normalise::CLIP,
                },
                connector: Connector::Dem(connector),
            }),
            decoder,
            prompt: OwnPrompt::ConvLlama3,
            image_token_id: None,
            bos_token_id,
            states_bos,
            random_weights: extra.random_weights,
            scope: extra.scope.as_deref().map(Scope::from_name).transpose()?,
        })
    }

    /// The vision side, for `what`, which needs one.
    ///
    /// # Errors
    /// [`Error::Config`] for a language model.
    pub fn require_vision(&self, what: &str) -> Result<&Vision> {
        self.vision.as_ref().ok_or_else(|| {
            Error::config(
                CONFIG_FILE,
                format!(
                    "model_type {} is a language model, which sees no pictures; {what} needs one that does",
                    quoted(&self.kind)
                ),
            )
        })
    }

    /// What only INF-LLaVA has; none for a model of another kind.
    pub fn dual(&self) -> Option<Dual<'_>> {
        self.vision.as_ref()?.dual()
    }

    /// As [`Config::dual`], for `what`, which is made for INF-LLaVA only.
    ///
    /// # Errors
    /// [`Error::Config`] for a model of another kind.
    pub fn require_dual(&self, what: &str) -> Result<Dual<'_>> {
        self.dual().ok_or_else(|| vision::not_dual(what))
    }

    /// Every tensor that is read, in the order of computation.
    pub fn weights(&self) -> Vec<Weight> {
        let vision = self.vision.as_ref().map(Vision::weights);
        [vision.unwrap_or_default(), self.decoder.weights()].concat()
    }

    /// The context in tokens: `asked`, or the default.
    ///
    /// # Errors
    /// [`Error::Option`] for 0, or for more tokens than the model has positions.
    pub fn context_tokens(&self, asked: Option<usize>) -> Result<usize> {
        let known = self.decoder.max_position_embeddings;
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
}

/// An id of the key `name`, checked.
fn in_vocabulary(decoder: &DecoderSpec, file: &str, name: &str, id: u32) -> Result<u32> {
    match (id as usize) < decoder.vocab_size {
        true => Ok(id),
        false => Err(Error::config(
            file,
            format!(
                "{name} is {id}, the vocabulary has {} entries",
                decoder.vocab_size
            ),
        )),
    }
}

/// The ids that end an answer: `generation_config.json`'s, or else those `stated` in config.json.
fn stop_ids(
    decoder: &DecoderSpec,
    generation: Option<&[u8]>,
    stated: Option<file::OneOrMany>,
) -> Result<Vec<u32>> {
    let mut ids = match generation {
        Some(json) => parse::<RawGeneration>(GENERATION_FILE, json)?.eos_token_id,
        None => None,
    };
    let mut file = GENERATION_FILE;
    if ids.as_ref().is_none_or(|ids| ids.0.is_empty()) {
        (ids, file) = (stated, CONFIG_FILE);
    }
    let ids = ids.map_or_else(Vec::new, |ids| ids.0);
    for &id in &ids {
        in_vocabulary(decoder, file, "eos_token_id", id)?;
    }
    Ok(ids)
}
