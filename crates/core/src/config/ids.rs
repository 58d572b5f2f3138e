//! Numbers of tokens in the files: what begins a prompt, what ends an answer.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::Value;

use super::checks::parse;
use super::file_names::{CONFIG_FILE, GENERATION_FILE};
use crate::error::{Error, Result};
use crate::spec::DecoderSpec;

/// Ids, written as one number or as a list of them.
pub(super) struct OneOrMany(pub(super) Vec<u32>);

impl OneOrMany {
    /// None if it is neither.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        let ids = match value {
            Value::Array(list) => list.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.map(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        OneOrMany::of(&value).ok_or_else(|| {
            D::Error::custom(
                "eos_token_id must be the number of a token, or a list of such numbers",
            )
        })
    }
}

#[derive(Deserialize)]
struct RawGeneration {
    eos_token_id: Option<OneOrMany>,
}

/// An id of the key `name`, checked.
pub(super) fn in_vocabulary(decoder: &DecoderSpec, file: &str, name: &str, id: u32) -> Result<u32> {
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
pub(super) fn stop_ids(
    decoder: &DecoderSpec,
    generation: Option<&[u8]>,
    stated: Option<OneOrMany>,
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
