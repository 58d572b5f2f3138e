//! Learns the merges of a byte-level BPE vocabulary.
//!
//! In: pieces of text with their frequencies. Out: tokens, and the merges that produce them. This
//! module must not know of files or templates. All collections are ordered, so that the result is
//! deterministic.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::text::{Tokenizer, char_of};

/// Whether a token may consist of these bytes.
fn may_be_token(bytes: &[u8]) -> bool {
    // The tokenizer would refuse to load a longer token.
    if bytes.len() > Tokenizer::MAX_TOKEN_BYTES {
        return false;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // A prefix of one character's bytes is allowed, as a step towards the whole character.
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

/// The ids of two adjacent tokens.
type Pair = (u32, u32);

/// The vocabulary during training.
pub(super) struct Merger {
    /// Each token's bytes.
    tokens: Vec<Vec<u8>>,
    ids: BTreeMap<Vec<u8>, u32>,
    /// The pairs of tokens that are merged, in the order of their priority.
    pub(super) merges: Vec<Pair>,
    /// For each merge its index in `merges`, and the token that it produces.
    ranks: BTreeMap<Pair, (usize, u32)>,
    /// The distinct pieces as tokens, with `merges` applied, and their frequencies.
    pieces: Vec<(Vec<u32>, u64)>,
    /// How often two tokens are adjacent, for pairs that may be merged.
    counts: BTreeMap<Pair, u64>,
    /// The pieces that contain the pair; may include pieces that no longer do.
    places: BTreeMap<Pair, BTreeSet<usize>>,
}

impl Merger {
    /// Starts with one token per byte and no merges. `pieces` has the frequency of each piece.
    pub(super) fn new(pieces: &BTreeMap<String, u64>) -> Self {
        // Ids follow the order of the printable alphabet, as in GPT-2 and LLaMA-3.
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

    /// Merges the most frequent pair until there are `most` tokens; ties go to the smaller ids.
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
        // "abc" can be produced from "ab" and "c" after it was produced from "a" and "bc".
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

    /// Adds a piece's pairs to the counts.
    fn enter(&mut self, piece: usize) {
        let (pairs, times) = self.pairs(piece);
        for pair in pairs {
            if self.counts.contains_key(&pair) || may_be_token(&self.joined(pair)) {
                *self.counts.entry(pair).or_default() += times;
                self.places.entry(pair).or_default().insert(piece);
            }
        }
    }

    /// Removes a piece's pairs from the counts.
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

    /// The tokens in the alphabet of `tokenizer.json`, in the order of their ids.
    pub(super) fn written(&self) -> Vec<String> {
        let written = |bytes: &Vec<u8>| bytes.iter().map(|&byte| char_of(byte)).collect();
        self.tokens.iter().map(written).collect()
    }
}

/// Merges as an encoder does: repeatedly the applicable merge that was learned first, at its
/// leftmost position. Each piece is thus kept as the tokenizer will encode it.
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
