//! Language models alone (`llama`, `mistral`, `qwen2`): config.json is the decoder's.

use super::decoder::LLAMA;
use super::given::{ConfigFiles, Parsed};
use super::model::{Config, OwnPrompt};
use super::prompts::{self, Ids};
use super::text_config;
use crate::error::Result;

/// Reads the files.
///
/// # Errors
/// [`crate::Error::Config`] naming the key that is out of range or not supported.
pub(super) fn read(files: &ConfigFiles<'_>, parsed: &Parsed) -> Result<Config> {
    let top = parsed.config()?;
    let class = text_config::class(&top, &LLAMA)?;
    let is_tied = files.is_tied(top.flag("tie_word_embeddings")?.unwrap_or(false));
    let decoder = text_config::decoder(&top, class, is_tied)?;
    let ids = Ids::of(&decoder, &[&top], files.generation)?;
    Ok(Config {
        kind: prompts::kind(&top, "llama")?,
        vision: None,
        prompt: OwnPrompt::Checkpoint,
        image_token_id: None,
        video_token_id: None,
        bos_token_id: ids.bos,
        states_bos: ids.states_bos,
        eos_token_ids: ids.stops,
        random_weights: false,
        scope: None,
        decoder,
    })
}
