//! What a tokenizer puts in front of a text by itself, as far as `tokenizer.json` says so.
//!
//! In: an untrusted file. Out: ids. A tokenizer is made without the file's post-processor (`text/rules.rs`), since prompts
//! are built as ids; a template leaves the first id to it.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, Result};
use crate::foreign;
use crate::printable::quoted;
use crate::text::layout::few;
use crate::text::tokenizer::Tokenizer;

/// Ids in front of a text at most; every known tokenizer has one or none.
const MOST: usize = 4;
const TAKEN: &str =
    "none, ByteLevel, TemplateProcessing, or a Sequence of these, is taken with a chat template";

#[derive(Deserialize)]
struct File {
    post_processor: Option<Processor>,
}

#[derive(Deserialize)]
struct Processor {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "few")]
    processors: Vec<Processor>,
    #[serde(default, deserialize_with = "few")]
    single: Vec<Piece>,
}

#[derive(Deserialize)]
enum Piece {
    SpecialToken { id: String },
    Sequence(IgnoredAny),
}

/// The ids that the tokenizer of the file `json`, called `file`, puts in front of a text: LLaMA's and Mistral's one, Qwen2's
/// none.
///
/// # Errors
/// [`Error::Tokenizer`]: a post-processor of another kind, or a token that is no added one.
pub fn begin_ids(file: &str, json: &[u8], tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let failed = |reason: String| Error::Tokenizer {
        file: file.into(),
        reason,
    };
    let read: File = foreign::json(json)
        .map_err(|error| failed(format!("its post_processor cannot be read: {error}")))?;
    let Some(processor) = read.post_processor else {
        return Ok(Vec::new());
    };
    let parts = match processor.kind.as_deref() {
        Some("Sequence") => processor.processors,
        _ => vec![processor],
    };
    let mut tokens: Vec<String> = Vec::new();
    for part in parts {
        match part.kind.as_deref() {
            Some("ByteLevel") => {}
            Some("TemplateProcessing") => {
                let before = part.single.into_iter().map_while(|piece| match piece {
                    Piece::SpecialToken { id } => Some(id),
                    Piece::Sequence(_) => None,
                });
                tokens.extend(before);
            }
            kind => {
                let kind = quoted(kind.unwrap_or("none"));
                return Err(failed(format!("its post_processor is {kind}; {TAKEN}")));
            }
        }
    }
    if tokens.len() > MOST {
        let count = tokens.len();
        return Err(failed(format!(
            "its post_processor puts {count} tokens in front of a text; at most {MOST} are taken"
        )));
    }
    let id = |token: &String| {
        let id = tokenizer.id_of(token).filter(|id| tokenizer.is_added(*id));
        id.ok_or_else(|| {
            let token = quoted(token);
            failed(format!(
                "its post_processor puts {token} in front of a text, which is none of its added tokens"
            ))
        })
    };
    tokens.iter().map(id).collect()
}
