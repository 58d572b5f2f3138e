//! Reads `config.json` and its companions in the released Hugging Face layout: the sizes of the
//! model.
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

use crate::error::{Error, Result};
use crate::image::Normalise;
use crate::spec::plan::{Coverage, Plan};
use crate::spec::{
    Ablation, CanvasLayout, Connector, DecoderSpec, DemSpec, Layout, Tiling, TowerSpec, View,
    Weight,
};
use file::{RawConfig, RawGeneration, parse};

pub use file_names::{
    CHAT_TEMPLATE_FILE, CHAT_TEMPLATE_JSON_FILE, CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE,
    PROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
pub use processor::check_processor;
pub use scope::{Remark, RemarkCode, Scope, question, wording};

/// LLaMA-3's `<|begin_of_text|>`.
const BEGIN_OF_TEXT: u32 = 128_000;

/// Default context in tokens (the model may support 8192).
const DEFAULT_CONTEXT_TOKENS: usize = 4096;

/// The model's configuration from the files of its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The vision tower: pixels of a view -> features.
    pub tower: TowerSpec,
    /// The tiling: a picture -> views.
    pub tiling: Tiling,
    /// Normalisation of the picture's bytes.
    pub normalise: Normalise,
    /// The connector: features of the views -> visual tokens.
    pub connector: Connector,
    /// The decoder: embeddings -> logits.
    pub decoder: DecoderSpec,
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

/// INF-LLaVA's two perspectives: what its tiling, its connector and its tower say together.
#[derive(Debug, Clone, Copy)]
pub struct Dual<'a> {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// The connector.
    pub dem: &'a DemSpec,
    /// Tokens along a side of a crop, h.
    pub tokens_per_side: usize,
}

impl Dual<'_> {
    /// The views, and the positions of the enhancement, that are computed.
    pub fn plan(&self, coverage: Coverage) -> Plan {
        let ablation = self.dem.ablation;
        Plan::new(
            self.crops_per_side,
            self.tokens_per_side,
            ablation,
            coverage,
        )
    }
}

impl Config {
    /// Reads `config.json` and, where there is one, `generation_config.json`.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that is missing, out of range or not supported.
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

    /// The layout of a picture of `size_px` (height, width) if `coverage` of it is computed. The
    /// processor's file may have a smaller size, since INF-LLaVA's release multiplies it in code; this
    /// one takes precedence.
    pub fn layout(&self, size_px: [usize; 2], coverage: Coverage) -> Layout {
        let view_px = self.tower.view_px;
        match self.tiling {
            // The same square for every picture.
            Tiling::Dual { crops_per_side } => {
                let [_height, _width] = size_px;
                let passes = self.plan(crops_per_side, coverage).passes().into_iter();
                let views = passes.map(|crop| crop.view(crops_per_side, view_px));
                let canvas = CanvasLayout {
                    size_px: [crops_per_side * view_px; 2],
                    views: views.collect(),
                };
                Layout {
                    canvases: vec![canvas],
                    tokens: self.tower.tokens_per_view(),
                }
            }
            Tiling::Grid(spec) => {
                let grid = spec.grid(size_px);
                let views: Vec<View> = grid.split_views().collect();
                let split = CanvasLayout {
                    size_px: grid.second_px,
                    views,
                };
                let whole = CanvasLayout {
                    size_px: [spec.tile_px; 2],
                    views: vec![View::ALL],
                };
                let canvases = [split, whole].into_iter();
                Layout {
                    canvases: canvases.filter(|canvas| !canvas.views.is_empty()).collect(),
                    tokens: grid.tiles() * self.tokens_per_view(),
                }
            }
        }
    }

    /// Visual tokens of a view, where views do not see one another.
    fn tokens_per_view(&self) -> usize {
        match &self.connector {
            Connector::Dem(_) => self.tower.tokens_per_view(),
            Connector::Shuffle(shuffle) => {
                (self.tower.tokens_per_side() / shuffle.scale.max(1)).pow(2)
            }
        }
    }

    fn plan(&self, crops_per_side: usize, coverage: Coverage) -> Plan {
        let ablation = match &self.connector {
            Connector::Dem(dem) => dem.ablation,
            Connector::Shuffle(_) => Ablation::default(),
        };
        let side = self.tower.tokens_per_side();
        Plan::new(crops_per_side, side, ablation, coverage)
    }

    /// The layout of the picture with the most tokens, for limits that are needed before there is a
    /// picture.
    pub fn largest_layout(&self, coverage: Coverage) -> Layout {
        match self.tiling {
            // All its pictures are resized to the same square.
            Tiling::Dual { .. } => self.layout([1, 1], coverage),
            // Both sides grow to the longest, and a square has the most tiles.
            Tiling::Grid(spec) => self.layout([spec.longest_px; 2], coverage),
        }
    }

    /// What only INF-LLaVA has; none for a model of another tiling or connector.
    pub fn dual(&self) -> Option<Dual<'_>> {
        match (self.tiling, &self.connector) {
            (Tiling::Dual { crops_per_side }, Connector::Dem(dem)) => Some(Dual {
                crops_per_side,
                dem,
                tokens_per_side: self.tower.tokens_per_side(),
            }),
            _ => None,
        }
    }

    /// As [`Config::dual`], for `what`, which is made for INF-LLaVA only.
    ///
    /// # Errors
    /// [`Error::Config`] for a model of another kind.
    pub fn require_dual(&self, what: &str) -> Result<Dual<'_>> {
        self.dual().ok_or_else(|| {
            Error::config(
                CONFIG_FILE,
                format!("it is of another kind of model, and {what} is for INF-LLaVA only"),
            )
        })
    }

    /// Every tensor that is read, in the order of computation.
    pub fn weights(&self) -> Vec<Weight> {
        let parts = [
            self.tower.weights(),
            self.connector.weights(),
            self.decoder.weights(),
        ];
        parts.concat()
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
