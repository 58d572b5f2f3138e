//! Which `tokenizer.json` is taken, and what of it.
//!
//! In: an untrusted file. Out: [`Rules`], of which a tokenizer is made; the file itself is handed to nobody else. Such a
//! file is a program: a normaliser may make a text ten million times as long, and a pattern may search for hours. So
//! what the supported families use is listed here, and all else is refused by its name. What plays no part in a prompt
//! is not taken: truncation, padding and post-processors; nor is `dropout`, which is for training and would answer one
//! question differently each time. SentencePiece-style files have rules of their own ([`super::sentence`]).

use tokenizers::models::bpe::{Merges, Vocab};

use super::byte_level::stands_for;
use super::layout::{Added, File, MAX_TOKENS, Part, Parts, Single, shown};
use super::sentence::{self, Sentence};
use crate::foreign;

/// How LLaMA-3 cuts a text into pieces; merges never cross a cut.
pub(crate) const LLAMA3_PIECES: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Qwen2 does: each digit is a piece.
pub(super) const QWEN2_PIECES: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// No token of a vocabulary stands for more bytes of text; LLaMA-3's longest are half as long.
pub const MAX_TOKEN_BYTES: usize = 256;

const NORMALIZERS: &str = "none, or NFC as Qwen2 has, is taken";
const PRE_TOKENIZERS: &str = "ByteLevel as GPT-2 has, Digits and ByteLevel as SmolLM has, or Split by the pattern of LLaMA-3 or Qwen2 and ByteLevel, is taken";

/// How a text is cut into pieces. [`super::encoder`] relies on what these have in common: where a piece ends is decided
/// by the piece and the one character behind it or, in white space, by the whole run of it and the one character behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    /// By the pattern that is part of `ByteLevel`.
    Gpt2,
    /// Each digit first, then as GPT-2.
    Smol,
    /// [`LLAMA3_PIECES`].
    Llama3,
    /// [`QWEN2_PIECES`].
    Qwen2,
}

/// How texts become pieces of the vocabulary, and back.
pub(super) enum Kind {
    /// A token is written in letters that stand for its bytes.
    ByteLevel {
        /// Whether texts are brought to Unicode's form NFC first, which makes them at most three times as long.
        nfc: bool,
        pieces: Pieces,
    },
    /// A token is written in its characters; what has none is written in bytes.
    Sentence(Sentence),
}

/// What is taken from a file.
pub(super) struct Rules {
    pub kind: Kind,
    pub added: Vec<Added>,
    pub vocab: Vocab,
    pub merges: Merges,
    /// Whether a piece that is a token is not merged.
    pub ignore_merges: bool,
}

impl Rules {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it: the field, what was found and what is taken.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let none = |error: String| format!("it is no tokenizer.json: {error}");
        let json = foreign::text(json).map_err(none)?;
        // serde does not look at the text of fields that it skips.
        let text = std::str::from_utf8(json).map_err(|error| none(error.to_string()))?;
        let file = serde_json::from_str(text).map_err(|error| foreign::why(json, &error));
        let file: File = file.map_err(none)?;
        if let Some(version) = file.version.as_ref().filter(|version| *version != "1.0") {
            return Err(format!("its version is {}; 1.0 is read", shown(version)));
        }
        let decoder = file.decoder.as_ref().map_or("none", |part| part.kind());
        let model = &file.model;
        let is_sentence = decoder == "Sequence";
        if model.kind() != "BPE" || decoder != "ByteLevel" && !is_sentence {
            let (model, decoder) = (shown(model.kind()), shown(decoder));
            let found = format!("its model is {model} and its decoder is {decoder}");
            return Err(format!(
                "{found}; BPE with ByteLevel, as LLaMA-3 has, or with a Sequence for bytes, as LLaMA-2 has, is needed"
            ));
        }
        for (field, affix) in [
            (
                "continuing_subword_prefix",
                &model.continuing_subword_prefix,
            ),
            ("end_of_word_suffix", &model.end_of_word_suffix),
        ] {
            if let Some(affix) = affix.as_deref().filter(|affix| !affix.is_empty()) {
                let affix = shown(affix);
                return Err(format!("its model.{field} is {affix}; none is taken"));
            }
        }
        let kind = match is_sentence {
            true => Kind::Sentence(sentence::read(&file)?),
            false => Kind::ByteLevel {
                nfc: is_nfc(file.normalizer.as_ref())?,
                pieces: pieces(file.pre_tokenizer.as_ref())?,
            },
        };
        let model = file.model;
        let rules = Rules {
            kind,
            added: file.added_tokens,
            vocab: model.vocab,
            merges: model.merges,
            ignore_merges: model.ignore_merges.unwrap_or(false),
        };
        rules.check_tokens()?;
        Ok(rules)
    }

    /// Tokens of bounded length, each with an id of its own, and merges of tokens into tokens.
    fn check_tokens(&self) -> Result<(), String> {
        let most = MAX_TOKEN_BYTES;
        let mut taken = vec![false; MAX_TOKENS];
        for (token, &id) in &self.vocab {
            let bytes = match self.kind {
                Kind::ByteLevel { .. } => stands_for(token),
                Kind::Sentence(_) => token.len(),
            };
            if bytes > most {
                let name = shown(token);
                return Err(format!(
                    "model.vocab: {name} stands for {bytes} bytes; at most {most} are taken"
                ));
            }
            match taken.get_mut(id as usize) {
                Some(free) if !*free => *free = true,
                Some(_) => return Err(format!("model.vocab: two tokens have the id {id}")),
                None => {
                    let name = shown(token);
                    return Err(format!(
                        "model.vocab: {name} has the id {id}; ids below {MAX_TOKENS} are taken"
                    ));
                }
            }
        }
        for (place, token) in self.added.iter().enumerate() {
            let bytes = token.content.len();
            if !(1..=most).contains(&bytes) {
                return Err(format!(
                    "added_tokens: entry {place} has {bytes} bytes; 1 to {most} are taken"
                ));
            }
        }
        let mut joined = String::new();
        for (place, (left, right)) in self.merges.iter().enumerate() {
            // The tokenizers crate would panic where the two together are longer than every token.
            joined.clear();
            joined.push_str(left);
            joined.push_str(right);
            let stranger = [left, right, &joined]
                .into_iter()
                .find(|&token| !self.vocab.contains_key(token));
            if let Some(stranger) = stranger {
                let stranger = shown(stranger);
                return Err(format!(
                    "model.merges: entry {place} names {stranger}, which is not in the vocabulary"
                ));
            }
        }
        Ok(())
    }
}

/// Whether the normaliser is NFC, or none.
fn is_nfc(part: Option<&Part<Parts>>) -> Result<bool, String> {
    let Some(part) = part else { return Ok(false) };
    let kinds: Vec<&str> = match part.kind() {
        "Sequence" => part.normalizers.0.iter().map(Part::kind).collect(),
        kind => vec![kind],
    };
    match kinds.iter().find(|&&kind| kind != "NFC") {
        Some(kind) => Err(format!("its normalizer is {}; {NORMALIZERS}", shown(kind))),
        None => Ok(!kinds.is_empty()),
    }
}

/// Which of the known ways to cut a text the pre-tokenizer is.
fn pieces(part: Option<&Part<Parts>>) -> Result<Pieces, String> {
    let refused = |found: &str| Err(format!("its pre_tokenizer is {found}; {PRE_TOKENIZERS}"));
    match part {
        None => refused("none"),
        Some(part) if part.kind() == "Sequence" => match part.pretokenizers.0.as_slice() {
            [split, bytes] if split.kind() == "Split" && is_byte_level(bytes, false) => {
                by_pattern(split)
            }
            [digits, bytes]
                if digits.kind() == "Digits"
                    && digits.individual_digits == Some(true)
                    && is_byte_level(bytes, true) =>
            {
                Ok(Pieces::Smol)
            }
            parts => {
                let kinds: Vec<String> = parts.iter().map(|part| shown(part.kind())).collect();
                refused(&format!("a Sequence of {}", kinds.join(", ")))
            }
        },
        Some(part) if is_byte_level(part, true) => Ok(Pieces::Gpt2),
        Some(part) => refused(&shown(part.kind())),
    }
}

/// Whether it is `ByteLevel`, with GPT-2's pattern or without, and puts no space before a text, which would not come
/// back as it was.
fn is_byte_level<S: Default>(part: &Part<S>, pattern: bool) -> bool {
    part.kind() == "ByteLevel"
        && part.add_prefix_space == Some(false)
        // The tokenizers crate's own default.
        && part.use_regex.unwrap_or(true) == pattern
}

/// Which of the known patterns a `Split` has. Others are not searched for, since there are some that take hours for a line.
fn by_pattern(split: &Single) -> Result<Pieces, String> {
    let pattern = split.pattern.as_ref().and_then(|p| p.regex.as_deref());
    let isolated = split.behavior.as_deref() == Some("Isolated") && split.invert != Some(true);
    match pattern {
        Some(LLAMA3_PIECES) if isolated => Ok(Pieces::Llama3),
        Some(QWEN2_PIECES) if isolated => Ok(Pieces::Qwen2),
        _ => Err(format!(
            "its pre_tokenizer has a Split by the pattern {}; the patterns of LLaMA-3 and Qwen2, Isolated, are taken, and \
             no others, since a text may keep one busy for hours. A tokenizer with another one has to be converted to \
             one of these",
            shown(pattern.unwrap_or("none"))
        )),
    }
}
