//! Text to ids a stretch at a time, so that a long text can be left off.
//!
//! In: anybody's text. Out: the ids that the whole text has. A stretch ends where the pre-tokenizer cuts anyway, and
//! where nothing behind it can move that cut or be joined to what stands before it, so the stretches' ids together are
//! the text's. `tests/stages/text_steps.rs` compares the two. A SentencePiece-style tokenizer cuts nowhere, or at spaces; there
//! a stretch ends between two characters that no merge of its vocabulary joins.

use std::iter::once;

use tokenizers::{
    Model, NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer,
};
use unicode_normalization_alignments::char::canonical_combining_class;
use unicode_normalization_alignments::{IsNormalized, is_nfc_quick};

use super::tokenizer::Tokenizer;
use crate::error::Result;
use crate::progress::Watch;

impl Tokenizer {
    /// The ids of anybody's text: a typed `<|eot_id|>` is so many letters. The result never holds
    /// the id of an added token, since the added vocabulary is not asked at all.
    ///
    /// # Errors
    /// [`crate::Error::Tokenizer`] where the file's rules fail on this text, where they make an added
    /// token of plain letters, where the vocabulary has no token for a byte of it (other programs leave such a byte out
    /// without a word), and where a token has no row in the model's embeddings.
    pub fn encode_user(&self, text: &str) -> Result<Vec<u32>> {
        let mut encoder = self.encoder(text);
        while encoder.step()? {}
        encoder.finish()
    }

    /// As [`Tokenizer::encode_user`], for texts that may be long: Stop is heard between its stretches, in the browser too.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_user`]; [`crate::Error::Stopped`].
    pub async fn encode_watched(&self, text: &str, watch: &mut Watch<'_>) -> Result<Vec<u32>> {
        let mut encoder = self.encoder(text);
        while encoder.step()? {
            watch.breathe().await?;
        }
        encoder.finish()
    }

    /// Anybody's text, to be encoded step by step.
    pub fn encoder<'a>(&'a self, text: &'a str) -> Encoder<'a> {
        Encoder::new(self, text)
    }

    /// As [`Tokenizer::encode_watched`], for a part of a prompt between two control tokens; `first` says that the prompt
    /// begins with it, which some tokenizers put a space before.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_watched`].
    pub(super) async fn encode_part(
        &self,
        text: &str,
        first: bool,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<u32>> {
        let mut encoder = self.encoder(text);
        encoder.first = first;
        while encoder.step()? {
            watch.breathe().await?;
        }
        encoder.finish()
    }
}

/// A text on its way to ids.
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    /// What is not encoded yet.
    rest: &'a str,
    /// What a step looks at, in bytes.
    step: usize,
    /// What the next step looks at: more, where one piece is longer.
    window: usize,
    /// Whether nothing is encoded yet.
    begins: bool,
    /// Whether the prompt begins with the text.
    first: bool,
    ids: Vec<u32>,
}

impl<'a> Encoder<'a> {
    /// What a step looks at, in bytes, unless one word is longer: some milliseconds of work.
    pub const STEP_BYTES: usize = 8 << 10;

    fn new(tokenizer: &'a Tokenizer, text: &'a str) -> Self {
        Encoder {
            tokenizer,
            rest: text,
            step: Self::STEP_BYTES,
            window: Self::STEP_BYTES,
            begins: true,
            first: true,
            ids: Vec::new(),
        }
    }

    /// Lets a step look at `bytes` instead, 1 or more. The ids stay the same.
    #[must_use]
    pub fn with_step(mut self, bytes: usize) -> Self {
        self.step = bytes.max(1);
        self.window = self.step;
        self
    }

    /// Does a bounded part of the work; gives whether there is more. A word of megabytes is encoded in one step, since
    /// its ids depend on all of it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_user`].
    pub fn step(&mut self) -> Result<bool> {
        let whole = self.window >= self.rest.len();
        let window = match whole {
            true => self.rest,
            false => &self.rest[..self.rest.floor_char_boundary(self.window)],
        };
        if let Some(sentence) = &self.tokenizer.sentence {
            let Some(end) = (match whole {
                true => Some(window.len()),
                false => sentence.last_cut(window),
            }) else {
                self.window *= 2;
                return Ok(true);
            };
            let written = sentence.written(&window[..end], self.begins, self.first);
            self.tokenizer.check_written(&written)?;
            for piece in sentence.pieces(&written) {
                let tokens = self.tokenizer.inner.get_model().tokenize(piece);
                let tokens = tokens.map_err(|error| self.tokenizer.failed(error))?;
                self.ids.extend(tokens.iter().map(|token| token.id));
            }
            return Ok(self.go_on(end));
        }
        let failed = |error| self.tokenizer.failed(error);
        let mut normalized = NormalizedString::from(window);
        if let Some(normalizer) = self.tokenizer.inner.get_normalizer() {
            normalizer.normalize(&mut normalized).map_err(failed)?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = self.tokenizer.inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces).map_err(failed)?;
        }
        let pieces = pieces.get_splits(OffsetReferential::Original, OffsetType::Byte);
        let (count, end) = match whole {
            true => (pieces.len(), window.len()),
            false => settled(
                window,
                &pieces.iter().map(|piece| piece.1).collect::<Vec<_>>(),
            ),
        };
        if count == 0 && !whole {
            self.window *= 2;
            return Ok(true);
        }
        for (piece, (start, end), _) in &pieces[..count] {
            let tokens = self.tokenizer.inner.get_model().tokenize(piece);
            let tokens = tokens.map_err(failed)?;
            if !self.tokenizer.lacks_nothing() {
                // What has no token is left out of the tokens.
                let told: usize = tokens.iter().map(|token| token.value.len()).sum();
                if told != piece.len() {
                    self.tokenizer
                        .check_lost(window.get(*start..*end).unwrap_or(window))?;
                }
            }
            self.ids.extend(tokens.iter().map(|token| token.id));
        }
        Ok(self.go_on(end))
    }

    /// Goes on behind `end` bytes of the rest; gives whether there is more.
    fn go_on(&mut self, end: usize) -> bool {
        self.rest = &self.rest[end..];
        self.window = self.step;
        self.begins = false;
        !self.rest.is_empty()
    }

    /// The ids so far: of the whole text once [`Encoder::step`] has given `false`.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_user`].
    pub fn finish(self) -> Result<Vec<u32>> {
        match self.ids.iter().find(|id| self.tokenizer.added.contains(id)) {
            Some(id) => {
                let reason = format!("plain text becomes the control token {id}");
                Err(self.tokenizer.failed(reason))
            }
            None => {
                self.tokenizer.check_rows(&self.ids)?;
                Ok(self.ids)
            }
        }
    }
}

/// How many of the pieces of a window, and how many of its bytes, are the same whatever follows the window. `pieces` are
/// their places in the window.
///
/// The last character that is no white space and begins a stretch of its own says how far the window is known: a piece
/// that ends before it has seen all that decides its end (`super::rules::Pieces`). The cut also stands before such a
/// character, so that what follows is normalised alone as it is with all before it.
fn settled(window: &str, pieces: &[(usize, usize)]) -> (usize, usize) {
    let known = window
        .char_indices()
        .rfind(|&(_, char)| !char.is_whitespace() && begins(char));
    let known = known.map_or(0, |(at, _)| at);
    let cuts = pieces.windows(2).enumerate().rev();
    let mut cuts = cuts.map(|(index, pair)| (index + 1, pair[0].1, pair[1].0));
    let cut = cuts.find(|&(_, end, start)| {
        end == start && end <= known && window[end..].chars().next().is_some_and(begins)
    });
    cut.map_or((0, 0), |(count, end, _)| (count, end))
}

/// Whether NFC never joins or reorders a character with what stands before it.
fn begins(char: char) -> bool {
    canonical_combining_class(char) == 0 && matches!(is_nfc_quick(once(char)), IsNormalized::Yes)
}
