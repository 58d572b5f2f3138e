//! SentencePiece-style BPE as `tokenizer.json` has it (LLaMA-2, Vicuna, Mistral): a space is `▁`, a text begins with one, and
//! a character without a token of its own is written in tokens of its bytes, `<0x0A>`.
//!
//! In: an untrusted file, and anybody's text. Out: [`Sentence`], the pieces of a text that may be merged apart, and the text
//! of tokens. It must not know ids.

use std::collections::HashSet;

use super::layout::{File, Part, Parts, Single, shown};

/// Stands for a space.
pub(super) const SPACE: char = '▁';
const SPACE_TEXT: &str = "▁";

const NORMALIZERS: &str =
    "none, or a Sequence of Prepend \"▁\" and Replace \" \" by \"▁\", as LLaMA-2 has, is taken";
const PRE_TOKENIZERS: &str =
    "none with such a normalizer, or Metaspace with \"▁\" without one, is taken";
const DECODERS: &str = "Replace \"▁\" by \" \", ByteFallback, Fuse and, if a text begins with a space, Strip of one at its beginning, as LLaMA-2 has, is taken";

/// Where a text is given the space that it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// The normaliser `Prepend`: before every text that is not empty.
    Prepend,
    /// `Metaspace`: before one that does not begin with a space.
    Always,
    /// As `Always`, at the beginning of a prompt only.
    First,
    /// Nowhere.
    Never,
}

/// What is taken from such a file, beside its vocabulary.
#[derive(Debug, Clone)]
pub(super) struct Sentence {
    pub prefix: Prefix,
    /// Whether every space begins a piece, so that no token goes on behind one.
    pub split: bool,
    /// Whether a decoded text loses a space at its beginning.
    pub strips: bool,
    pub fuse_unk: bool,
    pub unk_token: Option<String>,
    /// Characters that stand side by side in what is merged. Between others no merge ever reaches across.
    joined: HashSet<(char, char)>,
}

/// The byte that a token of bytes stands for, by the very rule of the tokenizers crate's decoder.
pub(super) fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    // `from_str_radix` takes a sign.
    (token.len() == 6)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// How a vocabulary writes a byte.
pub(super) fn token_of(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// Reads what is special about a file whose decoder is a sequence.
///
/// # Errors
/// What is wrong with it: the field, what was found and what is taken.
pub(super) fn read(file: &File) -> Result<Sentence, String> {
    let strips = strips(file.decoder.as_ref())?;
    let normalizer = prepends(file.normalizer.as_ref())?;
    let (prefix, split) = match (normalizer, file.pre_tokenizer.as_ref()) {
        (Some(prefix), None) => (prefix, false),
        (None, Some(part)) => metaspace(part)?,
        (Some(_), Some(part)) => {
            return Err(refused(
                "pre_tokenizer",
                &shown(part.kind()),
                PRE_TOKENIZERS,
            ));
        }
        (None, None) => return Err(refused("pre_tokenizer", "none", PRE_TOKENIZERS)),
    };
    let model = &file.model;
    if model.byte_fallback != Some(true) {
        return Err("its model.byte_fallback is not true: what has no token would be lost".into());
    }
    if model.ignore_merges == Some(true) {
        return Err(
            "its model.ignore_merges is true, which would let a typed <0x0A> become a line's end"
                .into(),
        );
    }
    if let Some(unk) = &model.unk_token
        && !model.vocab.contains_key(unk)
    {
        let unk = shown(unk);
        return Err(format!(
            "its model.unk_token is {unk}, which is not in the vocabulary"
        ));
    }
    if !model.vocab.contains_key(SPACE_TEXT) {
        return Err("its vocabulary has no token \"▁\", which stands for a space".into());
    }
    let added = file.added_tokens.iter().map(|added| &added.content);
    let odd = |token: &&String| byte_of(token).is_some_and(|byte| token_of(byte) != **token);
    if let Some(token) = model.vocab.keys().find(odd) {
        let token = shown(token);
        return Err(format!(
            "model.vocab: {token} would be read as a byte; bytes are written <0x0A>"
        ));
    }
    if let Some(token) = added.clone().find(|token| byte_of(token).is_some()) {
        let token = shown(token);
        return Err(format!(
            "added_tokens: {token} is a byte's token, and must be in the vocabulary alone"
        ));
    }
    let mut joined = HashSet::new();
    for (place, (left, right)) in model.merges.iter().enumerate() {
        let whole = format!("{left}{right}");
        let bytes = [left, right, &whole];
        if let Some(token) = bytes.into_iter().find(|token| byte_of(token).is_some()) {
            return Err(format!(
                "model.merges: entry {place} merges {}, a byte's token: typed letters must not become one",
                shown(token)
            ));
        }
        joined.extend(whole.chars().zip(whole.chars().skip(1)));
    }
    Ok(Sentence {
        prefix,
        split,
        strips,
        fuse_unk: model.fuse_unk.unwrap_or(false),
        unk_token: model.unk_token.clone(),
        joined,
    })
}

fn refused(field: &str, found: &str, taken: &str) -> String {
    format!("its {field} is {found}; {taken}")
}

/// Whether a `Replace` puts `to` for `from`.
fn replaces<S: Default>(part: &Part<S>, from: &str, to: &str) -> bool {
    let pattern = part
        .pattern
        .as_ref()
        .filter(|pattern| pattern.regex.is_none());
    part.kind() == "Replace"
        && pattern.and_then(|pattern| pattern.text.as_deref()) == Some(from)
        && part.content.as_deref() == Some(to)
}

/// What the normaliser puts before a text; none where there is no normaliser.
fn prepends(part: Option<&Part<Parts>>) -> Result<Option<Prefix>, String> {
    let Some(part) = part else { return Ok(None) };
    let parts: &[Single] = &part.normalizers.0;
    if part.kind() != "Sequence" {
        return Err(refused("normalizer", &shown(part.kind()), NORMALIZERS));
    }
    match parts {
        [] => Ok(None),
        [prepend, replace]
            if prepend.kind() == "Prepend"
                && prepend.prepend.as_deref() == Some(SPACE_TEXT)
                && replaces(replace, " ", SPACE_TEXT) =>
        {
            Ok(Some(Prefix::Prepend))
        }
        parts => Err(refused("normalizer", &listed(parts), NORMALIZERS)),
    }
}

/// `Metaspace`: what it puts before a text, and whether it cuts at spaces.
fn metaspace(part: &Part<Parts>) -> Result<(Prefix, bool), String> {
    let refuse = |found: &str| Err(refused("pre_tokenizer", found, PRE_TOKENIZERS));
    if part.kind() != "Metaspace" {
        return refuse(&shown(part.kind()));
    }
    if part.replacement.as_deref() != Some(SPACE_TEXT) {
        return refuse("Metaspace with another sign");
    }
    let prefix = match (part.prepend_scheme.as_deref(), part.add_prefix_space) {
        (Some("never"), _) => Prefix::Never,
        // The tokenizers crate refuses such a file as well.
        (Some(_), Some(false)) => return refuse("Metaspace that contradicts itself"),
        (None, Some(false)) => Prefix::Never,
        (Some("first"), _) => Prefix::First,
        (Some("always") | None, _) => Prefix::Always,
        (Some(_), _) => return refuse("Metaspace with another prepend_scheme"),
    };
    // The tokenizers crate's own default.
    Ok((prefix, part.split.unwrap_or(true)))
}

/// Whether the decoder takes a space from a text's beginning.
fn strips(part: Option<&Part<Parts>>) -> Result<bool, String> {
    let parts: &[Single] = part.map_or(&[], |part| &part.decoders.0);
    let is_strip = |part: &Single| {
        part.kind() == "Strip"
            && part.content.as_deref() == Some(" ")
            && (part.start, part.stop) == (Some(1), Some(0))
    };
    if let [replace, bytes, fuse, rest @ ..] = parts
        && replaces(replace, SPACE_TEXT, " ")
        && (bytes.kind(), fuse.kind()) == ("ByteFallback", "Fuse")
    {
        match rest {
            [] => return Ok(false),
            [strip] if is_strip(strip) => return Ok(true),
            _ => {}
        }
    }
    Err(refused("decoder", &listed(parts), DECODERS))
}

fn listed(parts: &[Single]) -> String {
    let kinds: Vec<String> = parts.iter().map(|part| shown(part.kind())).collect();
    format!("a Sequence of {}", kinds.join(", "))
}

impl Sentence {
    /// A part of a text as the vocabulary writes it. `begins` says that the text begins with it, `first` that the prompt
    /// does.
    pub fn written(&self, part: &str, begins: bool, first: bool) -> String {
        let part = part.replace(' ', SPACE_TEXT);
        let has_space = part.starts_with(SPACE);
        let wants = match self.prefix {
            Prefix::Prepend => !part.is_empty(),
            Prefix::Always => !has_space,
            Prefix::First => first && !has_space,
            Prefix::Never => false,
        };
        match begins && wants && !part.is_empty() {
            true => format!("{SPACE}{part}"),
            false => part,
        }
    }

    /// What is merged apart from one another of a text as the vocabulary writes it.
    pub fn pieces<'a>(&self, written: &'a str) -> Vec<&'a str> {
        if !self.split {
            return vec![written];
        }
        let mut starts: Vec<usize> = written.match_indices(SPACE).map(|(at, _)| at).collect();
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        starts.push(written.len());
        let pieces = starts.windows(2).map(|pair| &written[pair[0]..pair[1]]);
        pieces.filter(|piece| !piece.is_empty()).collect()
    }

    /// The last place in `window` where a text may be cut so that its parts have the ids of the whole, whatever follows
    /// the window.
    pub fn last_cut(&self, window: &str) -> Option<usize> {
        let sign = |char| if char == ' ' { SPACE } else { char };
        let mut later: Option<(usize, char)> = None;
        for (at, char) in window.char_indices().rev() {
            let char = sign(char);
            if let Some((cut, next)) = later
                && (self.split && next == SPACE || !self.joined.contains(&(char, next)))
            {
                return Some(cut);
            }
            later = Some((at, char));
        }
        None
    }
}
