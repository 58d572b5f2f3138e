//! Text to ids and back, for BPE tokenizers: byte-level ones such as LLaMA-3's, and SentencePiece-style ones with byte fallback
//! such as LLaMA-2's.
//!
//! In: an untrusted `tokenizer.json`. Out: ids. It must not know the prompt's template. There are
//! two ways in, and they never mix: [`Tokenizer::encode_template`] for this program's own words,
//! in which control tokens mean something, and [`Tokenizer::encode_user`] for everybody else's.

use std::collections::HashSet;
use std::ops::Range;

use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::Replace;
use tokenizers::normalizers::{NFC, Prepend, Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, Model, OffsetReferential, OffsetType, SplitDelimiterBehavior};

use super::byte_level::{byte_of, char_of};
use super::layout::Added;
use super::rules::{self, Kind, LLAMA3_PIECES, Pieces, QWEN2_PIECES, Rules};
use super::sentence::{self, Prefix, SPACE, Sentence};
use crate::printable::quoted;
use crate::{Error, Result};

/// A loaded `tokenizer.json`.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    /// For messages.
    file: String,
    pub(super) inner: tokenizers::Tokenizer,
    /// The ids of all added tokens, special or not.
    pub(super) added: HashSet<u32>,
    /// The bytes for which there is no token; of most tokenizers none.
    lacking: HashSet<u8>,
    /// What a SentencePiece-style file says of texts; none of a byte-level one.
    pub(super) sentence: Option<Sentence>,
    /// Ids below it have a row in the model's embeddings.
    rows: Option<usize>,
}

impl Tokenizer {
    /// The largest `tokenizer.json` that is read, in bytes. LLaMA-3's has 9 MB.
    pub const MAX_BYTES: usize = 64 << 20;

    /// No token of a vocabulary stands for more bytes of text; LLaMA-3's longest are half as long.
    pub const MAX_TOKEN_BYTES: usize = rules::MAX_TOKEN_BYTES;

    /// Loads a `tokenizer.json`; `file` is its name for messages. What it may hold is listed and bounded
    /// (`rules.rs`): byte-level BPE as LLaMA-3, Qwen2 or SmolLM have it.
    ///
    /// # Errors
    /// [`Error::Tokenizer`]: too large, no JSON, or not of such a kind.
    pub fn from_bytes(file: &str, json: &[u8]) -> Result<Self> {
        let fail = |reason: String| Error::Tokenizer {
            file: file.into(),
            reason,
        };
        if json.len() > Self::MAX_BYTES {
            let (found, most) = (json.len() >> 20, Self::MAX_BYTES >> 20);
            return Err(fail(format!(
                "it has {found} MiB; at most {most} MiB are read"
            )));
        }
        let rules = Rules::read(json).map_err(fail)?;
        // SmolLM2's vocabulary lacks 21 of 256. What needs one of them is refused when it is met.
        let has = |token: &str| rules.vocab.contains_key(token);
        let is_sentence = matches!(rules.kind, Kind::Sentence(_));
        let has_byte = |byte: &u8| match is_sentence {
            true => has(&sentence::token_of(*byte)),
            false => has(char_of(*byte).encode_utf8(&mut [0; 4])),
        };
        let lacking: HashSet<u8> = (0..=255).filter(|byte| !has_byte(byte)).collect();
        let written = |byte: &u8| {
            is_sentence && (*byte == b' ' || has(char::from(*byte).encode_utf8(&mut [0; 4])))
        };
        let needed = |byte: &u8| lacking.contains(byte) && !written(byte);
        if let Some(byte) = (b' '..=b'~').chain([b'\n']).find(needed) {
            return Err(fail(format!(
                "its vocabulary has no token for the byte {byte:#04x}, which the prompt's template or plain English needs"
            )));
        }
        let sentence = match &rules.kind {
            Kind::Sentence(sentence) => Some(sentence.clone()),
            Kind::ByteLevel { .. } => None,
        };
        let inner =
            made_of(rules).map_err(|error| fail(format!("it cannot be loaded: {error}")))?;
        let added = inner.get_added_vocabulary().get_vocab();
        let added = added.values().copied().collect();
        Ok(Tokenizer {
            file: file.into(),
            inner,
            added,
            lacking,
            sentence,
            rows: None,
        })
    }

    /// For a model whose embeddings have `rows` rows. Some tokenizers have a token more than that, for padding, which no
    /// text ever becomes; a text that becomes an id without a row is refused from now on.
    #[must_use]
    pub fn with_rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Checks that every id has a row in the model's embeddings.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], which names the token.
    pub fn check_rows(&self, ids: &[u32]) -> Result<()> {
        let Some(rows) = self.rows else { return Ok(()) };
        let Some(id) = ids.iter().find(|&&id| id as usize >= rows) else {
            return Ok(());
        };
        let token = self.inner.id_to_token(*id);
        let token = token.map_or("a token".into(), |token| {
            format!("the token {}", quoted(&token))
        });
        Err(self.failed(format!(
            "{token} has the id {id}, and the model's embeddings have {rows} rows: it was added without resizing them, or \
             the tokenizer is another model's"
        )))
    }

    /// Whether every byte has a token.
    pub(super) fn lacks_nothing(&self) -> bool {
        self.lacking.is_empty()
    }

    /// Checks a part of a text of whose bytes some have no token. Characters that nobody sees may lose them, as in
    /// transformers: a control character in a pasted text is no reason to refuse it.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], which names the first other character.
    pub(super) fn check_lost(&self, text: &str) -> Result<()> {
        let lost = |char: char| {
            let mut buffer = [0; 4];
            let mut bytes = char.encode_utf8(&mut buffer).bytes();
            bytes.find(|byte| self.lacking.contains(byte))
        };
        let seen = text.chars().filter(|&char| !is_unseen(char));
        match seen.filter_map(|char| Some((char, lost(char)?))).next() {
            Some((char, byte)) => Err(self.has_no_token(char, byte)),
            None => Ok(()),
        }
    }

    fn has_no_token(&self, char: char, byte: u8) -> Error {
        self.failed(format!(
            "this tokenizer cannot write {char:?} (U+{:04X}): its vocabulary has no token for the byte {byte:#04x}; leave it out",
            u32::from(char)
        ))
    }

    /// Checks that every character of a text of a SentencePiece-style vocabulary has a token, or tokens for its bytes.
    ///
    /// # Errors
    /// [`Error::Tokenizer`], which names the character.
    pub(super) fn check_written(&self, written: &str) -> Result<()> {
        if self.lacks_nothing() {
            return Ok(());
        }
        for char in written.chars() {
            let mut buffer = [0; 4];
            let text: &str = char.encode_utf8(&mut buffer);
            let lacked = text.bytes().find(|byte| self.lacking.contains(byte));
            if let Some(byte) = lacked
                && self.inner.get_model().token_to_id(text).is_none()
            {
                return Err(self.has_no_token(char, byte));
            }
        }
        Ok(())
    }

    /// The ids of this program's own text: control tokens such as `<|eot_id|>` are recognised.
    /// Nothing is added in front or behind. Never give it what a user typed.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the file's rules fail on this text, or a token has no row in the model's embeddings.
    pub fn encode_template(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .inner
            .encode_fast(text, false)
            .map_err(|e| self.failed(e))?;
        self.check_rows(encoding.get_ids())?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of `ids`. Special tokens and unknown ids are skipped; bytes that are no UTF-8
    /// become U+FFFD. Of a SentencePiece-style tokenizer that puts a space before a text, that space is left off.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the file's decoder fails; those that are taken do not.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|e| self.failed(e))
    }

    /// The bytes that one token stands for, which need not be whole characters. `None` for special
    /// tokens and unknown ids, which stand for no text.
    pub fn token_bytes(&self, id: u32) -> Option<Vec<u8>> {
        let token = self.shown_token(id)?;
        if self.sentence.is_some() {
            let byte = sentence::byte_of(&token).map(|byte| vec![byte]);
            return Some(byte.unwrap_or_else(|| token.replace(SPACE, " ").into_bytes()));
        }
        // An added token may be written in plain characters: then these are its bytes.
        let bytes: Option<Vec<u8>> = token.chars().map(byte_of).collect();
        Some(bytes.unwrap_or_else(|| token.into_bytes()))
    }

    /// Whether a token stands for one byte of a character that has no token of its own.
    pub(super) fn is_lone_byte(&self, id: u32) -> bool {
        let is_byte = |token: String| sentence::byte_of(&token).is_some();
        self.sentence.is_some() && self.shown_token(id).is_some_and(is_byte)
    }

    /// A token as it is written; none for special tokens and unknown ids.
    fn shown_token(&self, id: u32) -> Option<String> {
        let added = self.inner.get_added_vocabulary();
        let token = added
            .simple_id_to_token(id)
            .or_else(|| self.inner.get_model().id_to_token(id))?;
        (!added.is_special_token(&token)).then_some(token)
    }

    /// The id of a token by its written form, control tokens included.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Whether an id is an added token's, special or not.
    pub(super) fn is_added(&self, id: u32) -> bool {
        self.added.contains(&id)
    }

    /// Where a text has added tokens, and which; what is between them has none. Never give it what a user typed. The
    /// parts are in order, and all of the text together.
    pub(super) fn cut(&self, text: &str) -> Vec<(Range<usize>, Option<u32>)> {
        let added = self.inner.get_added_vocabulary();
        let cut = added.extract_and_normalize(self.inner.get_normalizer(), text);
        let parts = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let parts = parts.into_iter().map(|(_, (start, end), tokens)| {
            let id = tokens.as_ref().and_then(|tokens| tokens.first());
            (start..end, id.map(|token| token.id))
        });
        parts.collect()
    }

    /// The id of a control token that the template needs.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] where the file has no such added token: it is of another model.
    pub(super) fn control_id(&self, token: &str) -> Result<u32> {
        let id = self.id_of(token).filter(|id| self.added.contains(id));
        let id = id.ok_or_else(|| {
            self.failed(format!("it has no {token}; a LLaMA-3 tokenizer is needed"))
        })?;
        self.check_rows(&[id])?;
        Ok(id)
    }

    /// How many tokens there are, added ones included.
    pub fn vocab_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    pub(super) fn failed(&self, reason: impl ToString) -> Error {
        Error::Tokenizer {
            file: self.file.clone(),
            reason: reason.to_string(),
        }
    }
}

/// A tokenizer that does what the rules say, and nothing else.
fn made_of(rules: Rules) -> tokenizers::Result<tokenizers::Tokenizer> {
    let mut model = BPE::builder()
        .vocab_and_merges(rules.vocab, rules.merges)
        .ignore_merges(rules.ignore_merges);
    if let Kind::Sentence(sentence) = &rules.kind {
        model = model.byte_fallback(true).fuse_unk(sentence.fuse_unk);
        if let Some(unk) = &sentence.unk_token {
            model = model.unk_token(unk.clone());
        }
    }
    let mut inner = tokenizers::Tokenizer::new(model.build()?);
    match &rules.kind {
        Kind::ByteLevel { nfc, pieces } => write_in_bytes(&mut inner, *nfc, *pieces)?,
        Kind::Sentence(sentence) => write_in_characters(&mut inner, sentence)?,
    }
    // The tokenizers crate numbers them as they come, from the vocabulary's size on, and asks nobody.
    let mut added = rules.added;
    added.sort_by_key(|added| added.id);
    inner.add_tokens(added.iter().map(|added| AddedToken {
        content: added.content.clone(),
        single_word: added.single_word,
        lstrip: added.lstrip,
        rstrip: added.rstrip,
        normalized: added.normalized,
        special: added.special,
    }))?;
    for Added { content, id, .. } in &added {
        let name = quoted(content);
        match inner.token_to_id(content) {
            Some(given) if given == *id => {}
            given => {
                let given = given.map_or("none".into(), |id| id.to_string());
                return Err(format!(
                    "added_tokens: {name} states the id {id}, and has the id {given} by the vocabulary and the tokens \
                     before it; the ids must follow the vocabulary's without a gap"
                )
                .into());
            }
        }
        let other = inner.get_model().id_to_token(*id);
        if let Some(other) = other.filter(|other| other != content) {
            let other = quoted(&other);
            return Err(format!("added_tokens: {name} has the id {id}, as {other} has").into());
        }
    }
    Ok(inner)
}

fn write_in_bytes(
    inner: &mut tokenizers::Tokenizer,
    nfc: bool,
    pieces: Pieces,
) -> tokenizers::Result<()> {
    if nfc {
        inner.with_normalizer(Some(NFC))?;
    }
    let bytes = |pattern| PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, pattern));
    let split = |pattern: &str| {
        let pattern = SplitPattern::Regex(pattern.into());
        Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map(PreTokenizerWrapper::Split)
    };
    inner.with_pre_tokenizer(Some(Sequence::new(match pieces {
        Pieces::Gpt2 => vec![bytes(true)],
        Pieces::Smol => vec![Digits::new(true).into(), bytes(true)],
        Pieces::Llama3 => vec![split(LLAMA3_PIECES)?, bytes(false)],
        Pieces::Qwen2 => vec![split(QWEN2_PIECES)?, bytes(false)],
    })));
    inner.with_decoder(Some(ByteLevel::default()));
    Ok(())
}

fn write_in_characters(
    inner: &mut tokenizers::Tokenizer,
    sentence: &Sentence,
) -> tokenizers::Result<()> {
    let space = SPACE.to_string();
    let scheme = match sentence.prefix {
        Prefix::Prepend => None,
        Prefix::Always => Some(PrependScheme::Always),
        Prefix::First => Some(PrependScheme::First),
        Prefix::Never => Some(PrependScheme::Never),
    };
    match scheme {
        Some(scheme) => {
            inner.with_pre_tokenizer(Some(Metaspace::new(SPACE, scheme, sentence.split)));
        }
        None => {
            let replace = Replace::new(" ".to_string(), space.clone())?;
            let parts = vec![Prepend::new(space.clone()).into(), replace.into()];
            inner.with_normalizer(Some(Normalizers::new(parts)))?;
        }
    }
    let mut decoders: Vec<DecoderWrapper> = vec![
        Replace::new(space, " ")?.into(),
        ByteFallback::new().into(),
        Fuse::new().into(),
    ];
    if sentence.strips {
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    inner.with_decoder(Some(Decoders::new(decoders)));
    Ok(())
}

/// Whether a character has no shape: a control character, or one of the planes 4 to 13, which hold none.
fn is_unseen(char: char) -> bool {
    char.is_control() || matches!(char, '\u{40000}'..='\u{dffff}')
}
