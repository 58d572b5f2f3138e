//! Trains a small model's tokenizer: byte-level BPE in LLaMA-3's layout.
//!
//! In: the texts that the model will process. Out: a `tokenizer.json`. The letters of a sign must
//! be read one by one, so capitals and digits are single tokens: `K7P` is three tokens everywhere,
//! while `What` may be one. The trainer of the tokenizers crate has no such rule, and its result
//! may depend on the order of hash maps. This one gives the same bytes for the same texts.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, SplitDelimiterBehavior,
};

use super::merger::Merger;
use crate::text::LLAMA3_PIECES;
use crate::text::prompt::conv_llama3::SYSTEM_PROMPT;
use crate::{Error, Result};

/// Those of LLaMA-3's added tokens that a conversation needs, in LLaMA-3's order, after the
/// vocabulary.
pub const CONTROLS: [&str; 5] = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
];

/// The smallest vocabulary: one token per byte, and [`CONTROLS`].
pub const MIN_VOCAB: usize = 256 + CONTROLS.len();

/// Texts that the chat template adds.
const TEMPLATE: [&str; 5] = [SYSTEM_PROMPT, "system", "user", "assistant", "\n\n"];

/// Trains a tokenizer of at most `vocab_size` tokens, including [`CONTROLS`]: fewer if the texts
/// have nothing left to merge. Returns its `tokenizer.json`, which does not depend on the order of
/// the texts.
///
/// Words with a digit, or with a capital after their first letter, are ignored. No token combines a
/// digit with anything else; a capital is combined only at the start of a word and before a
/// lower-case letter. The words of the chat template are counted once for every text, since they
/// accompany each text.
///
/// # Errors
/// [`Error::Option`] if `vocab_size` is below [`MIN_VOCAB`]; [`Error::Tokenizer`] if the tokenizers
/// crate cannot split a text into pieces.
pub fn train_tokenizer(texts: impl Iterator<Item = String>, vocab_size: usize) -> Result<Vec<u8>> {
    if vocab_size < MIN_VOCAB {
        return Err(Error::Option {
            option: "vocab_size".into(),
            reason: format!("{vocab_size}; bytes and control tokens alone are {MIN_VOCAB}"),
        });
    }
    let merger = Merger::new(&count_pieces(texts)?);
    write(&merger.train(vocab_size - CONTROLS.len()))
}

fn failed(error: impl ToString) -> Error {
    Error::Tokenizer {
        file: "tokenizer.json".into(),
        reason: error.to_string(),
    }
}

/// The frequency of each piece.
fn count_pieces(texts: impl Iterator<Item = String>) -> Result<BTreeMap<String, u64>> {
    let pattern = SplitPattern::Regex(LLAMA3_PIECES.into());
    let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(failed)?;
    let mut counts = BTreeMap::new();
    let mut count = |text: &str, times: u64| -> Result<()> {
        let mut pieces = PreTokenizedString::from(text);
        split.pre_tokenize(&mut pieces).map_err(failed)?;
        for (piece, _, _) in pieces.get_splits(OffsetReferential::Original, OffsetType::None) {
            match counts.get_mut(piece) {
                Some(sum) => *sum += times,
                None => drop(counts.insert(piece.to_string(), times)),
            }
        }
        Ok(())
    };
    let mut conversations = 0;
    for text in texts {
        conversations += 1;
        count(&without_signs(&text), 1)?;
    }
    for text in TEMPLATE {
        count(text, conversations.max(1))?;
    }
    Ok(counts)
}

/// `text` without the words that have a digit, or a capital after their first letter. Spaces are
/// kept.
fn without_signs(text: &str) -> String {
    let is_sign = |word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic());
        word.contains(char::is_numeric) || letters.skip(1).any(char::is_uppercase)
    };
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let end = word.trim_end().len();
        match is_sign(word) {
            true => &word[end..],
            false => word,
        }
    });
    words.collect()
}

/// The vocabulary ordered by id, so that the file does not depend on serde_json's map type.
struct Vocabulary<'a>(&'a [String]);

impl Serialize for Vocabulary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(0_u32..))
    }
}

/// The `model` object of a `tokenizer.json`.
#[derive(Serialize)]
struct Model<'a> {
    r#type: &'a str,
    dropout: Option<f32>,
    unk_token: Option<&'a str>,
    continuing_subword_prefix: Option<&'a str>,
    end_of_word_suffix: Option<&'a str>,
    fuse_unk: bool,
    byte_fallback: bool,
    vocab: Vocabulary<'a>,
    merges: Vec<String>,
}

/// The top-level object of a `tokenizer.json`.
#[derive(Serialize)]
struct Layout<'a> {
    version: &'a str,
    truncation: Option<u32>,
    padding: Option<u32>,
    added_tokens: Vec<Value>,
    normalizer: Option<u32>,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Model<'a>,
}

/// The file for the trained vocabulary in LLaMA-3's layout, followed by the control tokens.
fn write(merger: &Merger) -> Result<Vec<u8>> {
    let tokens = merger.written();
    let first_control = tokens.len();
    let added_tokens = (first_control..).zip(CONTROLS).map(|(id, content)| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true})
    });
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
        "use_regex": true});
    let (begin, text) = (
        CONTROLS[0],
        |id: &str, type_id: u32| json!({"Sequence": {"id": id, "type_id": type_id}}),
    );
    let layout = Layout {
        version: "1.0",
        truncation: None,
        padding: None,
        added_tokens: added_tokens.collect(),
        normalizer: None,
        pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": LLAMA3_PIECES}, "behavior": "Isolated",
                "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
                "use_regex": false},
        ]}),
        post_processor: json!({"type": "Sequence", "processors": [byte_level, {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": begin, "type_id": 0}}, text("A", 0)],
            "pair": [text("A", 0), text("B", 1)],
            "special_tokens": {begin: {"id": begin, "ids": [first_control], "tokens": [begin]}},
        }]}),
        decoder: byte_level.clone(),
        model: Model {
            r#type: "BPE",
            dropout: None,
            unk_token: None,
            continuing_subword_prefix: None,
            end_of_word_suffix: None,
            fuse_unk: false,
            byte_fallback: false,
            vocab: Vocabulary(&tokens),
            merges: (merger.merges.iter())
                .map(|&(left, right)| {
                    format!("{} {}", tokens[left as usize], tokens[right as usize])
                })
                .collect(),
        },
    };
    serde_json::to_vec_pretty(&layout).map_err(failed)
}
