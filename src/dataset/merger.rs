//! The merges of a byte-level BPE vocabulary.
//!
//! In: pieces of text and how often each occurs. Out: tokens, and the merges that make them. It must
//! not know of files or templates. All collections are ordered, so the result is always the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::text::{Tokenizer, char_of};

/// Whether a token may consist of these bytes.
fn may_be_token(bytes: &[u8]) -> bool {
    // A tokenizer with a longer one would not be loaded.
    if bytes.len() > Tokenizer::MAX_TOKEN_BYTES {
        return false;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The beginning of one character may be joined on the way to the whole.
        Err(error) => return error.valid_up_to() == 0 && error.error_len().is_none(),
    };
    if text.contains(char::is_numeric) {
        return false;
    }
    let word = text.trim_start_matches(|c: char| !c.is_alphabetic());
    let mut letters = word.chars();
    let first = letters.next();
    let rest = letters.as_str();
    match first {
        Some(first) if first.is_uppercase() => {
            rest.starts_with(char::is_lowercase) && !rest.contains(char::is_uppercase)
        }
        _ => !rest.contains(char::is_uppercase),
    }
}

/// Two tokens side by side, by their ids.
type Pair = (u32, u32);

/// The vocabulary as it grows.
pub(super) struct Merger {
    /// Each token's bytes.
    tokens: Vec<Vec<u8>>,
    ids: BTreeMap<Vec<u8>, u32>,
    /// Which tokens are joined, in the order in which an encoder tries them.
    pub(super) merges: Vec<Pair>,
    /// Of each merge its place in `merges`, and what it makes.
    ranks: BTreeMap<Pair, (usize, u32)>,
    /// The distinct pieces as tokens, encoded with `merges`, and how often each occurs.
    pieces: Vec<(Vec<u32>, u64)>,
    /// How often two tokens stand side by side, for those that may be joined.
    counts: BTreeMap<Pair, u64>,
    /// The pieces in which they do, and perhaps some in which they no longer do.
    places: BTreeMap<Pair, BTreeSet<usize>>,
}

impl Merger {
    /// Every byte is a token; nothing is joined yet. `pieces` says how often each piece occurs.
    pub(super) fn new(pieces: &BTreeMap<String, u64>) -> Self {
        // Ids go by the written alphabet's order, as GPT-2's and LLaMA-3's do.
        let mut alphabet: Vec<u8> = (0..=255).collect();
        alphabet.sort_by_key(|&byte| char_of(byte));
        let tokens: Vec<Vec<u8>> = alphabet.into_iter().map(|byte| vec![byte]).collect();
        let ids: BTreeMap<Vec<u8>, u32> = tokens.iter().cloned().zip(0..).collect();
        let encoded = |piece: &String| -> Vec<u32> {
            let bytes = piece.as_bytes().chunks(1);
            bytes.filter_map(|byte| ids.get(byte).copied()).collect()
        };
        let pieces: Vec<_> = pieces.iter().map(|(text, &n)| (encoded(text), n)).collect();
        let mut merger = Merger {
            tokens,
            ids,
            merges: Vec::new(),
            ranks: BTreeMap::new(),
            pieces,
            counts: BTreeMap::new(),
            places: BTreeMap::new(),
        };
        for piece in 0..merger.pieces.len() {
            merger.enter(piece);
        }
        merger
    }

    /// Joins the commonest pair until there are `most` tokens; of equals the one with the smaller
    /// ids.
    pub(super) fn train(mut self, most: usize) -> Self {
        while self.tokens.len() < most {
            let commonest = self.counts.iter();
            let commonest = commonest.max_by_key(|&(&pair, &count)| (count, Reverse(pair)));
            let Some((&pair, _)) = commonest else { break };
            self.join(pair);
        }
        self
    }

    fn join(&mut self, pair: Pair) {
        let bytes = self.joined(pair);
        // "abc" may come from "ab" and "c" after it came from "a" and "bc".
        let token = match self.ids.get(&bytes) {
            Some(&token) => token,
            None => {
                let token = self.tokens.len() as u32;
                self.ids.insert(bytes.clone(), token);
                self.tokens.push(bytes);
                token
            }
        };
        self.ranks.insert(pair, (self.merges.len(), token));
        self.merges.push(pair);
        for piece in self.places.remove(&pair).unwrap_or_default() {
            self.leave(piece);
            encode(&mut self.pieces[piece].0, &self.ranks);
            self.enter(piece);
        }
        self.counts.remove(&pair);
    }

    fn joined(&self, (left, right): Pair) -> Vec<u8> {
        let bytes = |id: u32| self.tokens[id as usize].as_slice();
        [bytes(left), bytes(right)].concat()
    }

    fn pairs(&self, piece: usize) -> (Vec<Pair>, u64) {
        let (ids, count) = &self.pieces[piece];
        let pairs = ids.windows(2).map(|pair| (pair[0], pair[1]));
        (pairs.collect(), *count)
    }

    /// Counts a piece's pairs.
    fn enter(&mut self, piece: usize) {
        let (pairs, times) = self.pairs(piece);
        for pair in pairs {
            if self.counts.contains_key(&pair) || may_be_token(&self.joined(pair)) {
                *self.counts.entry(pair).or_default() += times;
                self.places.entry(pair).or_default().insert(piece);
            }
        }
    }

    /// Takes a piece's pairs out of the count again.
    fn leave(&mut self, piece: usize) {
        let (pairs, times) = self.pairs(piece);
        for pair in pairs {
            if let Some(count) = self.counts.get_mut(&pair) {
                *count = count.saturating_sub(times);
                if *count == 0 {
                    self.counts.remove(&pair);
                }
            }
        }
    }

    /// Tokens as `tokenizer.json` writes them, in the order of their ids.
    pub(super) fn written(&self) -> Vec<String> {
        let written = |bytes: &Vec<u8>| bytes.iter().map(|&byte| char_of(byte)).collect();
        self.tokens.iter().map(written).collect()
    }
}

/// Joins as an encoder does: of the merges that fit the one learnt first, leftmost, again and
/// again. A piece is kept in the form that it will have when the tokenizer is used.
fn encode(ids: &mut Vec<u32>, ranks: &BTreeMap<Pair, (usize, u32)>) {
    let first = |ids: &[u32]| {
        let pairs = ids.windows(2).enumerate();
        let known = pairs.filter_map(|(at, pair)| {
            let &(rank, token) = ranks.get(&(pair[0], pair[1]))?;
            Some((rank, at, token))
        });
        known.min()
    };
    while let Some((_, at, token)) = first(ids) {
        ids[at] = token;
        ids.remove(at + 1);
    }
}
