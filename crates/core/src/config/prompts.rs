//! What the family's files say of prompts: numbers of tokens, and the kind's name.

use super::file_names::CONFIG_FILE;
use super::ids::{OneOrMany, in_vocabulary, stop_ids};
use super::keys::Keys;
use super::model::BEGIN_OF_TEXT;
use crate::error::Result;
use crate::spec::DecoderSpec;

/// What begins a prompt and what ends an answer.
pub(super) struct Ids {
    pub(super) bos: u32,
    /// Whether config.json has the first.
    pub(super) states_bos: bool,
    pub(super) stops: Vec<u32>,
}

impl Ids {
    /// From the first of `places` in config.json that has each; what ends an answer from `generation_config.json`, if
    /// that has any.
    pub(super) fn of(
        decoder: &DecoderSpec,
        places: &[&Keys<'_>],
        generation: Option<&[u8]>,
    ) -> Result<Self> {
        let (mut bos, mut eos) = (None, None::<OneOrMany>);
        for keys in places {
            let name = "bos_token_id";
            if let (None, Some(id)) = (bos, keys.id(name)?) {
                bos = Some(in_vocabulary(decoder, CONFIG_FILE, &keys.name(name), id)?);
            }
            let own = keys.ids("eos_token_id")?;
            eos = eos.or(own.filter(|ids| !ids.0.is_empty()));
        }
        Ok(Ids {
            bos: bos.unwrap_or(BEGIN_OF_TEXT),
            states_bos: bos.is_some(),
            stops: stop_ids(decoder, generation, eos)?,
        })
    }
}

/// The id that stands for a visual token: under one of `names`, or else `default`, if there is such a token.
pub(super) fn placeholder(
    top: &Keys<'_>,
    names: &[&str],
    default: u32,
    decoder: &DecoderSpec,
) -> Result<Option<u32>> {
    for name in names {
        if let Some(id) = top.id(name)? {
            return in_vocabulary(decoder, CONFIG_FILE, name, id).map(Some);
        }
    }
    Ok(Some(default).filter(|id| (*id as usize) < decoder.vocab_size))
}

/// `model_type`, or `default` if it is absent.
pub(super) fn kind(top: &Keys<'_>, default: &str) -> Result<String> {
    Ok(top.text("model_type")?.unwrap_or(default).to_string())
}
