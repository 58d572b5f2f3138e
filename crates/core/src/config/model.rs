//! What the files of a model folder say, whichever kind of model it is.

use super::file_names::CONFIG_FILE;
use super::scope::Scope;
use super::vision::{self, Dual, Vision};
use crate::error::{Error, Result};
use crate::printable::quoted;
use crate::spec::{DecoderSpec, Weight};

/// LLaMA-3's `<|begin_of_text|>`.
pub(super) const BEGIN_OF_TEXT: u32 = 128_000;

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
    /// The same for the tokens of a video; none of models that take no video, or that use `image_token_id`.
    pub video_token_id: Option<u32>,
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

impl Config {
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
