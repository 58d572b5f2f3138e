//! What begins a prompt and what ends an answer, from what the files list and what the template needs.

use serde::Deserialize;
use serde_json::Value;

use super::Tokenizer;
use super::chat_template::{BEGIN, end_of_turn_id};
use crate::config::{Config, TOKENIZER_CONFIG_FILE};
use crate::foreign;
use crate::{Error, Result};

/// LLaMA-3's end of a text, which is no end of a turn.
const END_OF_TEXT: &str = "<|end_of_text|>";

/// Of tokenizer_config.json.
#[derive(Deserialize)]
struct RawTokenizer {
    eos_token: Option<Value>,
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

/// The token that ends a text by tokenizer_config.json: a text, or an object with its content.
///
/// # Errors
/// [`Error::Config`].
pub fn named_end(json: &[u8]) -> Result<Option<String>> {
    let bad = |reason: String| Error::config(TOKENIZER_CONFIG_FILE, reason);
    let raw: RawTokenizer = foreign::json(json).map_err(bad)?;
    Ok(match raw.eos_token {
        Some(Value::String(token)) => Some(token),
        Some(Value::Object(token)) => token.get("content").and_then(Value::as_str).map(Into::into),
        _ => None,
    })
}
