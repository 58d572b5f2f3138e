//! `tokenizer.json` as it is written, read with a count of everything that can be many.
//!
//! In: an untrusted file. Out: its fields, as far as [`super::rules`] looks at them; other fields are skipped. It must
//! not know what is taken of them. Nothing is buffered that is not counted, so reading takes no more memory than a
//! few times the file.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tokenizers::models::bpe::{Merges, Vocab};

/// Tokens of a vocabulary at most, and ids are below it; LLaMA-3 has 128,256, Qwen2 151,936.
pub(super) const MAX_TOKENS: usize = 1 << 19;
/// Merges at most; LLaMA-3 has 280,147.
const MAX_MERGES: usize = 1 << 20;
/// Added tokens at most; LLaMA-3 has 256.
const MAX_ADDED: usize = 1 << 13;
/// Parts of a sequence of normalisers or pre-tokenizers at most; decoders have four.
const MAX_PARTS: usize = 4;
/// Entries of a list at most that every known file keeps short.
const MAX_FEW: usize = 16;

/// The whole file.
#[derive(Deserialize)]
pub(super) struct File {
    pub version: Option<String>,
    #[serde(default, deserialize_with = "added_tokens")]
    pub added_tokens: Vec<Added>,
    pub normalizer: Option<Part<Parts>>,
    pub pre_tokenizer: Option<Part<Parts>>,
    pub decoder: Option<Part<Parts>>,
    pub model: Model,
}

/// A token beside the vocabulary.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Added {
    pub id: u32,
    pub content: String,
    pub single_word: bool,
    pub lstrip: bool,
    pub rstrip: bool,
    pub normalized: bool,
    pub special: bool,
}

/// A normaliser, a pre-tokenizer or a decoder, with what the supported ones are told; or a sequence of such.
#[derive(Deserialize)]
pub(super) struct Part<S: Default> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    pub normalizers: S,
    #[serde(default)]
    pub pretokenizers: S,
    #[serde(default)]
    pub decoders: S,
    pub pattern: Option<Pattern>,
    pub behavior: Option<String>,
    pub invert: Option<bool>,
    pub individual_digits: Option<bool>,
    pub add_prefix_space: Option<bool>,
    pub use_regex: Option<bool>,
    /// Of `Prepend`.
    pub prepend: Option<String>,
    /// Of `Replace` and `Strip`.
    pub content: Option<String>,
    /// Of `Strip`: characters at the beginning.
    pub start: Option<u32>,
    /// Of `Strip`: characters at the end.
    pub stop: Option<u32>,
    /// Of `Metaspace`.
    pub replacement: Option<String>,
    /// Of `Metaspace`.
    pub prepend_scheme: Option<String>,
    /// Of `Metaspace`.
    pub split: Option<bool>,
}

/// A part that has none itself: what a list of its own would hold is skipped.
pub(super) type Single = Part<IgnoredAny>;

/// The parts of a sequence.
#[derive(Default)]
pub(super) struct Parts(pub Vec<Single>);

/// What a `Split` or a `Replace` looks for.
#[derive(Deserialize)]
pub(super) struct Pattern {
    #[serde(rename = "Regex")]
    pub regex: Option<String>,
    #[serde(rename = "String")]
    pub text: Option<String>,
}

/// The model, but for its dropout.
#[derive(Deserialize)]
pub(super) struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    pub continuing_subword_prefix: Option<String>,
    pub end_of_word_suffix: Option<String>,
    pub ignore_merges: Option<bool>,
    pub byte_fallback: Option<bool>,
    pub fuse_unk: Option<bool>,
    pub unk_token: Option<String>,
    #[serde(default, deserialize_with = "vocab")]
    pub vocab: Vocab,
    #[serde(default, deserialize_with = "merges")]
    pub merges: Merges,
}

/// What a thing without a type is called.
const UNNAMED: &str = "none";

impl<S: Default> Part<S> {
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(UNNAMED)
    }
}

impl Model {
    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or(UNNAMED)
    }
}

/// A list that ends the reading when it has more than `most` entries.
struct List<T> {
    field: &'static str,
    most: usize,
    entry: PhantomData<T>,
}

impl<T> List<T> {
    fn new(field: &'static str, most: usize) -> Self {
        List {
            field,
            most,
            entry: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}: a list", self.field)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == self.most {
                return Err(too_many(self.field, self.most, "entries"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn too_many<E: Error>(field: &str, most: usize, what: &str) -> E {
    E::custom(format!(
        "{field} has more than {most} {what}, the most that are taken"
    ))
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_seq(List::new("a Sequence", MAX_PARTS))
            .map(Parts)
    }
}

/// A short list, whatever it is of.
pub(super) fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(List::new("a short list", MAX_FEW))
}

fn added_tokens<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Added>, D::Error> {
    deserializer.deserialize_seq(List::new("added_tokens", MAX_ADDED))
}

fn merges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Merges, D::Error> {
    let merges: Vec<Merge> = deserializer.deserialize_seq(List::new("model.merges", MAX_MERGES))?;
    Ok(merges.into_iter().filter_map(|merge| merge.0).collect())
}

/// A merge; none where the line is a version, as in files that once were `merges.txt`.
struct Merge(Option<(String, String)>);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("model.merges: two tokens, in a list or with a space between")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<Merge, E> {
        if line.starts_with("#version") {
            return Ok(Merge(None));
        }
        match line.split_once(' ') {
            Some((left, right)) if !right.contains(' ') => {
                Ok(Merge(Some((left.to_string(), right.to_string()))))
            }
            _ => Err(E::invalid_value(
                serde::de::Unexpected::Other("another line"),
                &self,
            )),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Merge, A::Error> {
        let left = pair.next_element()?;
        let right = pair.next_element()?;
        let more: Option<IgnoredAny> = pair.next_element()?;
        match (left, right, more) {
            (Some(left), Some(right), None) => Ok(Merge(Some((left, right)))),
            _ => Err(A::Error::invalid_length(0, &self)),
        }
    }
}

fn vocab<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vocab, D::Error> {
    deserializer.deserialize_any(VocabVisitor)
}

struct VocabVisitor;

impl<'de> Visitor<'de> for VocabVisitor {
    type Value = Vocab;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("model.vocab: tokens with their ids")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocab, A::Error> {
        let mut vocab = Vocab::default();
        let mut entries = 0;
        while let Some((token, id)) = map.next_entry()? {
            if entries == MAX_TOKENS {
                return Err(too_many("model.vocab", MAX_TOKENS, "tokens"));
            }
            entries += 1;
            vocab.insert(token, id);
        }
        match vocab.len() == entries {
            true => Ok(vocab),
            false => Err(A::Error::custom("model.vocab has a token twice")),
        }
    }

    /// Of other models, which are refused by their name.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vocab, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Vocab::default())
    }
}

/// A name out of the file, short and printable.
pub(super) fn shown(name: &str) -> String {
    let mut chars = name.chars();
    let mut short: String = chars
        .by_ref()
        .take(32)
        .flat_map(char::escape_default)
        .collect();
    if chars.next().is_some() {
        short.push_str("...");
    }
    short
}
