//! A conversation as the decoder reads it: runs of token ids and of pictures' visual tokens.
//!
//! In: ids, and the token counts of pictures before they are encoded. Out: among others the common prefix of two
//! sequences, which need not be computed again. It must not depend on how ids are made, nor on how a picture is
//! encoded.

use std::fmt;
use std::ops::Range;

use sha2::{Digest, Sha256};

/// Represents a picture where a sequence is written as plain numbers, in fixtures and in answers, as in the release.
const IMAGE_TOKEN_INDEX: i32 = -200;

/// Identifies a picture: equal if content, preparation and model are equal, so that cached data of one picture is
/// never used for another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaId([u8; 32]);

impl MediaId {
    /// The identity of `parts`, in order: SHA-256, with each part's length before it.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        MediaId(hash.finalize().into())
    }

    /// The identity of this with `more`.
    pub fn with(self, more: &[u8]) -> Self {
        MediaId::of(&[&self.0, more])
    }
}

impl fmt::Debug for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6]
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A run of a picture's visual tokens in a sequence: all of them, or those of one of its views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Media {
    /// The picture's identity.
    pub id: MediaId,
    /// The first of its visual tokens in this run.
    pub first: usize,
    /// The number of tokens it takes, at least one; it differs between pictures.
    pub tokens: usize,
}

impl Media {
    /// The only picture of an example or a benchmark, whose identity does not matter.
    pub const fn only(tokens: usize) -> Self {
        Media {
            id: MediaId([0; 32]),
            first: 0,
            tokens,
        }
    }
}

/// A part of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Token ids, at least one.
    Text(Vec<u32>),
    /// A run of visual tokens, never divided.
    Media(Media),
}

impl Chunk {
    /// The number of context tokens that it takes.
    pub fn tokens(&self) -> usize {
        match self {
            Chunk::Text(ids) => ids.len(),
            Chunk::Media(media) => media.tokens,
        }
    }
}

/// A list of chunks; two text chunks are never adjacent. Lengths and positions are in context tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequence(Vec<Chunk>);

impl Sequence {
    /// A sequence of text.
    pub fn of_text(ids: Vec<u32>) -> Self {
        let mut sequence = Sequence::default();
        sequence.extend(ids);
        sequence
    }

    /// A sequence of one picture.
    pub fn of_media(media: Media) -> Self {
        Sequence(vec![Chunk::Media(media)])
    }

    /// From numbers in the form of [`Sequence::to_numbers`], where each -200 becomes `media`; `None` for other
    /// negative numbers.
    pub fn from_numbers(numbers: &[i32], media: Media) -> Option<Self> {
        let mut sequence = Sequence::default();
        for &number in numbers {
            match u32::try_from(number) {
                Ok(id) => sequence.push(id),
                Err(_) if number == IMAGE_TOKEN_INDEX => sequence.push_media(media),
                Err(_) => return None,
            }
        }
        Some(sequence)
    }

    /// The ids, with -200 for each picture, as the release writes a prompt. No vocabulary has nearly 2^31 ids; a
    /// larger id would become `i32::MAX`.
    pub fn to_numbers(&self) -> Vec<i32> {
        let numbers = self.0.iter().flat_map(|chunk| match chunk {
            Chunk::Text(ids) => ids
                .iter()
                .map(|&id| i32::try_from(id).unwrap_or(i32::MAX))
                .collect(),
            Chunk::Media(_) => vec![IMAGE_TOKEN_INDEX],
        });
        numbers.collect()
    }

    /// Its chunks.
    pub fn chunks(&self) -> &[Chunk] {
        &self.0
    }

    /// Its length in tokens.
    pub fn len(&self) -> usize {
        self.0.iter().map(Chunk::tokens).sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its last id; none if it is empty or ends with a picture.
    pub fn last_id(&self) -> Option<u32> {
        match self.0.last() {
            Some(Chunk::Text(ids)) => ids.last().copied(),
            _ => None,
        }
    }

    /// The ids of all its text.
    pub fn text_ids(&self) -> impl Iterator<Item = u32> {
        let ids = self.0.iter().filter_map(|chunk| match chunk {
            Chunk::Text(ids) => Some(ids),
            Chunk::Media(_) => None,
        });
        ids.flatten().copied()
    }

    /// Its pictures, with the range of tokens of each.
    pub fn media(&self) -> impl Iterator<Item = (Media, Range<usize>)> {
        let mut end = 0;
        self.0.iter().filter_map(move |chunk| {
            end += chunk.tokens();
            match chunk {
                Chunk::Media(media) => Some((*media, end - media.tokens..end)),
                Chunk::Text(_) => None,
            }
        })
    }

    /// Appends an id.
    pub fn push(&mut self, id: u32) {
        match self.0.last_mut() {
            Some(Chunk::Text(ids)) => ids.push(id),
            _ => self.0.push(Chunk::Text(vec![id])),
        }
    }

    /// Appends a picture.
    pub fn push_media(&mut self, media: Media) {
        self.0.push(Chunk::Media(media));
    }

    /// Appends ids.
    pub fn extend(&mut self, ids: Vec<u32>) {
        match self.0.last_mut() {
            Some(Chunk::Text(held)) => held.extend(ids),
            _ if ids.is_empty() => {}
            _ => self.0.push(Chunk::Text(ids)),
        }
    }

    /// Appends another sequence.
    pub fn append(&mut self, other: Sequence) {
        for chunk in other.0 {
            match chunk {
                Chunk::Text(ids) => self.extend(ids),
                Chunk::Media(media) => self.push_media(media),
            }
        }
    }

    /// The tokens in `range`. A picture that is not entirely inside is left out, since pictures are not split.
    pub fn part(&self, range: Range<usize>) -> Sequence {
        let (mut part, mut start) = (Sequence::default(), 0);
        for chunk in &self.0 {
            let end = start + chunk.tokens();
            let (from, to) = (range.start.clamp(start, end), range.end.clamp(start, end));
            match chunk {
                Chunk::Text(ids) if from < to => {
                    part.extend(ids[from - start..to - start].to_vec())
                }
                Chunk::Media(media) if (from, to) == (start, end) => part.push_media(*media),
                _ => {}
            }
            start = end;
        }
        part
    }

    /// Removes the tokens from `len` on, and a picture that would be split.
    pub fn truncate(&mut self, len: usize) {
        *self = self.part(0..len);
    }

    /// The length of the common prefix with `other`, in tokens. A picture counts only as a whole, and only if both
    /// have the same one.
    pub fn in_common(&self, other: &Sequence) -> usize {
        let mut count = 0;
        for chunks in self.0.iter().zip(&other.0) {
            let (same, is_whole) = match chunks {
                (Chunk::Text(a), Chunk::Text(b)) => {
                    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
                    (same, same == a.len() && same == b.len())
                }
                (a, b) => (if a == b { a.tokens() } else { 0 }, a == b),
            };
            count += same;
            if !is_whole {
                break;
            }
        }
        count
    }
}
