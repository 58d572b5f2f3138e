//! What begins a prompt and what ends an answer, from what the files list and what the template needs.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Tokenizer;
use super::prompt::NamedTokens;
use super::prompt::conv_llama3::{BEGIN, end_of_turn_id};
use crate::config::{Config, GENERATION_FILE, TOKENIZER_CONFIG_FILE};
use crate::foreign;
use crate::{Error, Result};

/// LLaMA-3's end of a text, which is no end of a turn.
const END_OF_TEXT: &str = "<|end_of_text|>";

/// What templates are told of the tokenizer's tokens.
const NAMES: [&str; 4] = ["bos_token", "eos_token", "unk_token", "pad_token"];

/// Of tokenizer_config.json.
#[derive(Default, Deserialize)]
struct RawTokenizer {
    bos_token: Option<Named>,
    eos_token: Option<Named>,
    unk_token: Option<Named>,
    pad_token: Option<Named>,
}

/// A token by its name: a text, or an object with its content.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Object { content: String },
    Other(IgnoredAny),
}

impl Named {
    fn content(self) -> Option<String> {
        match self {
            Named::Text(token) | Named::Object { content: token } => Some(token),
            Named::Other(_) => None,
        }
    }
}

/// Adds to `config` what only the tokenizer knows: the template's end of turn, which ends every answer whatever the
/// files list, and the first id of a prompt where config.json states none. `named` is the token that ends a text by
/// tokenizer_config.json ([`named_end`]), for models of which no other file lists an end.
///
/// # Errors
/// [`Error::Tokenizer`] where the tokenizer lacks the template's tokens.
pub fn complete(config: &mut Config, tokenizer: &Tokenizer, named: Option<&str>) -> Result<()> {
    let rows = config.decoder.vocab_size;
    let in_rows = |id: &u32| (*id as usize) < rows;
    if config.eos_token_ids.is_empty() {
        let listed = [named, Some(END_OF_TEXT)].into_iter().flatten();
        let known = listed.filter_map(|token| tokenizer.id_of(token));
        config.eos_token_ids.extend(known.filter(in_rows).take(1));
    }
    let end = end_of_turn_id(tokenizer)?;
    if !config.eos_token_ids.contains(&end) {
        config.eos_token_ids.push(end);
    }
    if !config.states_bos {
        config.bos_token_id = tokenizer.control_id(BEGIN)?;
    }
    Ok(())
}

/// Adds to `config` what ends an answer where no other file lists it, for a model that is asked with a template of its own:
/// there the files alone say it.
///
/// # Errors
/// [`Error::Config`] where none does.
pub fn complete_by_name(
    config: &mut Config,
    tokenizer: &Tokenizer,
    named: Option<&str>,
) -> Result<()> {
    if config.eos_token_ids.is_empty() {
        let rows = config.decoder.vocab_size;
        let id = named.and_then(|token| tokenizer.id_of(token));
        let id = id.filter(|&id| (id as usize) < rows).ok_or_else(|| {
            let reason = "no eos_token_id, and tokenizer_config.json names no eos_token of the tokenizer: nothing says what \
                          ends an answer";
            Error::config(GENERATION_FILE, reason)
        })?;
        config.eos_token_ids.push(id);
    }
    Ok(())
}

/// The token that ends a text by tokenizer_config.json.
///
/// # Errors
/// [`Error::Config`].
pub fn named_end(json: &[u8]) -> Result<Option<String>> {
    Ok(read(json)?.eos_token.and_then(Named::content))
}

/// What tokenizer_config.json calls the first token, the last one, and others that templates write.
///
/// # Errors
/// [`Error::Config`].
pub fn named_tokens(json: &[u8]) -> Result<NamedTokens> {
    let raw = read(json)?;
    let tokens = [raw.bos_token, raw.eos_token, raw.unk_token, raw.pad_token];
    let named = NAMES.into_iter().zip(tokens);
    let named = named.filter_map(|(name, token)| Some((name.to_string(), token?.content()?)));
    Ok(named.collect())
}

fn read(json: &[u8]) -> Result<RawTokenizer> {
    foreign::json(json).map_err(|reason| Error::config(TOKENIZER_CONFIG_FILE, reason))
}
