//! What a template has made of a conversation -> its sequence.
//!
//! In: a text with signs for what was said. Out: ids. It is cut at the places of pictures and at the tokenizer's added
//! tokens while the signs still stand in it, so no word of anybody's is taken for either; then each stretch between is
//! filled, and encoded as a whole, with added tokens off.

use super::marks::Marks;
use super::message::{Media, MediaKind, Piece, Placeholders, Room};
use crate::error::Result;
use crate::progress::Watch;
use crate::sequence::{self, Sequence};
use crate::text::tokenizer::Tokenizer;

/// A conversation as a template has made it.
pub(super) struct Filled<'a> {
    /// With signs.
    pub rendered: &'a str,
    /// The texts of the signs.
    pub marks: &'a Marks<'a>,
    /// What the places of pictures and videos stand for, in order.
    pub media: Vec<&'a Media>,
}

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// An added token.
    Token(u32),
    /// Text in which nothing is a token of its own. `first` says that a tokenizer would see it at the beginning.
    Text { text: String, first: bool },
    /// Visual tokens.
    Media(sequence::Media),
}

/// Cuts a conversation.
///
/// # Errors
/// What is wrong with the places for pictures.
pub(super) fn parts(
    filled: &Filled<'_>,
    placeholders: &Placeholders,
    tokenizer: &Tokenizer,
) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let of = |kind| filled.media.iter().filter(move |media| media.kind == kind);
    // Some templates put a message's pictures before its videos, whatever the order they were given in.
    let (mut pictures, mut videos) = (of(MediaKind::Image), of(MediaKind::Video));
    // Where a place is no token, what stands behind it is another text to the tokenizer.
    let mut is_first = true;
    let mut words = String::new();
    let mut rest = filled.rendered;
    let mut places = [0; 2];
    while let Some((at, kind, place)) = next_place(rest, placeholders) {
        words.push_str(&rest[..at]);
        rest = &rest[at + place.len()..];
        let (count, next) = match kind {
            MediaKind::Image => (&mut places[0], pictures.next()),
            MediaKind::Video => (&mut places[1], videos.next()),
        };
        *count += 1;
        let Some(media) = next else { continue };
        for piece in &media.pieces {
            match piece {
                Piece::Words(own) => words.push_str(own),
                Piece::Media(run) => {
                    cut_words(&mut parts, &words, is_first, filled.marks, tokenizer);
                    words.clear();
                    is_first = tokenizer.id_of(place).is_none();
                    parts.push(Part::Media(*run));
                }
            }
        }
    }
    words.push_str(rest);
    cut_words(&mut parts, &words, is_first, filled.marks, tokenizer);
    let wanted = [MediaKind::Image, MediaKind::Video].map(|kind| of(kind).count());
    match places == wanted {
        true => Ok(parts),
        false => Err(format!(
            "the chat template has {} places for pictures ({}) and {} for videos ({}), and the conversation has {} \
             and {}",
            places[0], placeholders.image, places[1], placeholders.video, wanted[0], wanted[1],
        )),
    }
}

/// The first place for a picture or a video.
fn next_place<'a>(
    text: &str,
    placeholders: &'a Placeholders,
) -> Option<(usize, MediaKind, &'a str)> {
    let places = [
        (MediaKind::Image, placeholders.image.as_str()),
        (MediaKind::Video, placeholders.video.as_str()),
    ];
    let found = places
        .into_iter()
        .filter_map(|(kind, place)| Some((text.find(place)?, kind, place)));
    found.min_by_key(|&(at, ..)| at)
}

/// Cuts what stands between two pictures at its added tokens.
fn cut_words(
    parts: &mut Vec<Part>,
    words: &str,
    is_first: bool,
    marks: &Marks<'_>,
    tokenizer: &Tokenizer,
) {
    let mut open: Option<(usize, usize)> = None;
    let close = |parts: &mut Vec<Part>, open: &mut Option<(usize, usize)>| {
        if let Some((start, end)) = open.take() {
            parts.push(Part::Text {
                text: marks.filled(&words[start..end]),
                first: is_first && start == 0,
            });
        }
    };
    for (range, id) in tokenizer.cut(words) {
        match id.filter(|_| !is_said(words, &range, marks)) {
            Some(id) => {
                close(parts, &mut open);
                parts.push(Part::Token(id));
            }
            None => {
                let start = open.map_or(range.start, |(start, _)| start);
                open = Some((start, range.end));
            }
        }
    }
    close(parts, &mut open);
}

/// Whether an added token of white space alone may be part of what somebody said: white space at the ends of a text has no
/// sign.
fn is_said(words: &str, range: &std::ops::Range<usize>, marks: &Marks<'_>) -> bool {
    let is_sign = |char: Option<char>| char.is_some_and(|char| marks.get(char).is_some());
    words[range.clone()].trim().is_empty()
        && (is_sign(words[..range.start].trim_end().chars().next_back())
            || is_sign(words[range.end..].trim_start().chars().next()))
}

/// Encodes the parts; `begin` stands in front, unless they have it there themselves.
///
/// # Errors
/// As [`Tokenizer::encode_watched`]; [`crate::Error::ContextExceeded`].
pub(super) async fn sequence(
    parts: Vec<Part>,
    begin: &[u32],
    tokenizer: &Tokenizer,
    room: Room,
    watch: &mut Watch<'_>,
) -> Result<Sequence> {
    let mut sequence = Sequence::default();
    let own = parts.iter().map_while(|part| match part {
        Part::Token(id) => Some(*id),
        _ => None,
    });
    let own: Vec<u32> = own.take(begin.len()).collect();
    if own != begin {
        sequence.extend(begin.to_vec());
    }
    for part in parts {
        match part {
            Part::Token(id) => sequence.push(id),
            Part::Media(media) => sequence.push_media(media),
            Part::Text { text, first } => {
                sequence.extend(tokenizer.encode_part(&text, first, watch).await?);
            }
        }
        room.check(sequence.len())?;
    }
    let ids: Vec<u32> = sequence.text_ids().collect();
    tokenizer.check_rows(&ids)?;
    Ok(sequence)
}
