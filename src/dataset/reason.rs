//! Why an entry of a data set cannot be used, and the count of all such entries.

use std::collections::BTreeMap;
use std::fmt;

use crate::printable::is_harmless;

/// What is wrong with an entry. Its `Display` is one clause for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Not of the form that the file's kind of entry has: what is wrong.
    Malformed(String),
    /// The picture's name leaves the folder of pictures, or is no file name: the name.
    ImageName(String),
    /// There is no such picture: the name.
    ImageMissing(String),
    /// Neither `human` nor `gpt` speaks: who does.
    UnknownRole(String),
    /// The conversation is not question, answer, question, answer, from the first to the last.
    RoleOrder,
    /// `<image>` stands in the conversation more than once.
    TwoImages,
    /// There is a picture, and the first question has no `<image>`.
    ImageNotInFirstQuestion,
    /// There is an `<image>`, and no picture.
    ImageUnnamed,
    /// A question or an answer says nothing: the turn, counted from 0.
    Empty(usize),
    /// An answer has more tokens than the limit.
    AnswerTooLong {
        /// At least so many tokens.
        tokens: usize,
        /// Tokens allowed.
        limit: usize,
    },
    /// Prompt, picture and answers together have more tokens than the limit.
    ConversationTooLong {
        /// Tokens.
        tokens: usize,
        /// Tokens allowed.
        limit: usize,
    },
    /// The template has no form for it: what it needs.
    Template(String),
    /// Neither `yes` nor `no`: the label.
    Label(String),
}

impl Reason {
    /// The kind of fault, by which faults are counted.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::Malformed(_) => "malformed entry",
            Reason::ImageName(_) => "image outside the folder",
            Reason::ImageMissing(_) => "image missing",
            Reason::UnknownRole(_) => "unknown role",
            Reason::RoleOrder => "roles out of order",
            Reason::TwoImages => "two <image>",
            Reason::ImageNotInFirstQuestion => "<image> not in the first question",
            Reason::ImageUnnamed => "<image> without a picture",
            Reason::Empty(_) => "empty text",
            Reason::AnswerTooLong { .. } => "answer too long",
            Reason::ConversationTooLong { .. } => "conversation too long",
            Reason::Template(_) => "not for this template",
            Reason::Label(_) => "unknown label",
        }
    }

    /// What is particular to this entry; nothing where the name says all.
    fn detail(&self) -> Option<String> {
        match self {
            Reason::Malformed(text)
            | Reason::ImageName(text)
            | Reason::ImageMissing(text)
            | Reason::UnknownRole(text)
            | Reason::Template(text)
            | Reason::Label(text) => Some(shown(text)),
            Reason::Empty(turn) => Some(format!("turn {turn}")),
            Reason::AnswerTooLong { tokens, limit }
            | Reason::ConversationTooLong { tokens, limit } => {
                Some(format!("{tokens} tokens, at most {limit} are taken"))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            Some(detail) => write!(f, "{}: {detail}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// Characters of somebody else's text that a message shows.
const SHOWN_CHARS: usize = 100;

/// A file's own words, safe for a terminal: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    let escape = |c: char| match is_harmless(c) && !matches!(c, '\n' | '\t') {
        true => c.to_string(),
        false => c.escape_default().to_string(),
    };
    shown.chars().map(escape).collect()
}

/// The entries that were left out. Its `Display` is one line: how many of how many, and of each
/// kind of fault the count and the first entry that has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Entries of the file, good and bad.
    pub total: usize,
    /// Every bad entry's id and fault, in the order in which they were found.
    pub reasons: Vec<(String, Reason)>,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} records skipped",
            self.reasons.len(),
            self.total
        )?;
        let mut kinds: BTreeMap<&str, (usize, &str, &Reason)> = BTreeMap::new();
        for (id, reason) in &self.reasons {
            kinds.entry(reason.name()).or_insert((0, id, reason)).0 += 1;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        // The commonest first; the map's order settles ties, so that the line is always the same.
        kinds.sort_by_key(|(_, (count, ..))| std::cmp::Reverse(*count));
        for (index, (name, (count, id, reason))) in kinds.into_iter().enumerate() {
            let mark = if index == 0 { ':' } else { ',' };
            write!(f, "{mark} {count} {name} (first: id {id}")?;
            match reason.detail() {
                Some(detail) => write!(f, ": {detail})")?,
                None => f.write_str(")")?,
            }
        }
        Ok(())
    }
}
