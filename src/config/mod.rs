//! `config.json` and its companions in the released Hugging Face layout -> sizes of the model.
//!
//! In: the text of the files, untrusted. Out: [`Config`], every number of which has been checked
//! against a cap, so that later code may multiply them. Knows nothing of tensors.

mod connector;
mod decoder;
mod file;
mod file_names;
mod kind;
mod processor;
mod rope;
mod scope;

use crate::error::{Error, Result};
use crate::image::Normalise;
use crate::spec::plan::{Coverage, Plan};
use crate::spec::{Connector, DecoderSpec, DemSpec, Layout, Tiling, TowerSpec, Weight};
use file::{RawConfig, RawGeneration, parse};

pub use file_names::{
    CHAT_TEMPLATE_FILE, CHAT_TEMPLATE_JSON_FILE, CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE,
    PROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
pub use processor::check_processor;
pub use scope::{Remark, RemarkCode, Scope, question, wording};

/// LLaMA-3's `<|begin_of_text|>`.
const BEGIN_OF_TEXT: u32 = 128_000;

/// Tokens of context that are kept unless more is asked for (spec: the model may know 8192).
const DEFAULT_CONTEXT_TOKENS: usize = 4096;

/// Everything that the files of a model folder say about its shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Pixels of a view -> features.
    pub tower: TowerSpec,
    /// A picture -> views.
    pub tiling: Tiling,
    /// From a picture's bytes to numbers.
    pub normalise: Normalise,
    /// Features of the views -> visual tokens.
    pub connector: Connector,
    /// Embeddings -> logits.
    pub decoder: DecoderSpec,
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
        let mut raw: RawConfig = parse(CONFIG_FILE, config)?;
        let bad = |reason: String| Error::config(CONFIG_FILE, reason);
        raw.check_choices()?;
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
        let in_vocabulary = |file: &str, name: &str, id: u32| {
            if (id as usize) < decoder.vocab_size {
                Ok(id)
            } else {
                Err(Error::config(
                    file,
                    format!(
                        "{name} is {id}, the vocabulary has {} entries",
                        decoder.vocab_size
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
            tower,
            tiling,
            normalise: Normalise::CLIP,
            connector: Connector::Dem(connector),
            decoder,
            bos_token_id,
            states_bos,
            eos_token_ids,
            random_weights: extra.random_weights,
            scope: extra.scope.as_deref().map(Scope::from_name).transpose()?,
        })
    }

    /// What becomes of a picture of `size_px`, (height, width), if `coverage` of it is computed. The processor's file may
    /// state a smaller size: training multiplied its size in code, so this wins over it.
    pub fn layout(&self, size_px: [usize; 2], coverage: Coverage) -> Layout {
        let [_height, _width] = size_px;
        let Tiling::Dual { crops_per_side } = self.tiling; // the same square for every picture
        let plan = self.plan(coverage);
        let view_px = self.tower.view_px;
        let passes = plan.passes().into_iter();
        Layout {
            canvas_px: [crops_per_side * view_px; 2],
            views: passes
                .map(|crop| crop.view(crops_per_side, view_px))
                .collect(),
            tokens: self.tower.tokens_per_view(),
        }
    }

    /// The layout of the picture that takes most, for what must be known before there is one.
    pub fn largest_layout(&self, coverage: Coverage) -> Layout {
        let Tiling::Dual { .. } = self.tiling; // whose pictures all become the same square
        self.layout([1, 1], coverage)
    }

    /// What is computed of the dual tiling's views, and of the enhancement's positions.
    pub fn plan(&self, coverage: Coverage) -> Plan {
        let Tiling::Dual { crops_per_side } = self.tiling;
        let side = self.tower.tokens_per_side();
        Plan::new(crops_per_side, side, self.dem().ablation, coverage)
    }

    /// INF-LLaVA's connector.
    pub fn dem(&self) -> &DemSpec {
        let Connector::Dem(dem) = &self.connector;
        dem
    }

    /// Crops per side N of the dual tiling.
    pub fn crops_per_side(&self) -> usize {
        let Tiling::Dual { crops_per_side } = self.tiling;
        crops_per_side
    }

    /// Every tensor that is read, in the order of the data.
    pub fn weights(&self) -> Vec<Weight> {
        let parts = [
            self.tower.weights(),
            self.connector.weights(),
            self.decoder.weights(),
        ];
        parts.concat()
    }

    /// Tokens of context to make room for: those asked for, or the default.
    ///
    /// # Errors
    /// [`Error::Option`] for none, or more than the model knows positions.
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
