//! Why an entry of a data set cannot be used, and the list of all such entries.

use std::collections::BTreeMap;
use std::fmt;

use crate::printable::is_harmless;

/// What is wrong with an entry. Its `Display` is one clause for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The entry does not have the expected form: what is wrong.
    Malformed(String),
    /// The picture's name is outside the folder of pictures, or not a file name: the name.
    ImageName(String),
    /// The picture does not exist: its name.
    ImageMissing(String),
    /// A role other than `human` and `gpt`: its name.
    UnknownRole(String),
    /// Questions and answers do not alternate, from the first question to the last answer.
    RoleOrder,
    /// `<image>` occurs more than once.
    TwoImages,
    /// There is a picture, but no `<image>` in the first question.
    ImageNotInFirstQuestion,
    /// There is an `<image>`, but no picture.
    ImageUnnamed,
    /// A question or an answer is empty: the turn, counted from 0.
    Empty(usize),
    /// An answer has more tokens than the limit.
    AnswerTooLong {
        /// Number of tokens, at least.
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
    /// The template cannot express it: what the template requires.
    Template(String),
    /// The label is neither `yes` nor `no`: the label.
    Label(String),
}

impl Reason {
    /// The name of this kind of fault, under which faults are counted.
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

    /// Details of this entry; `None` if the name is sufficient.
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

/// Most characters of untrusted text in a message.
const SHOWN_CHARS: usize = 100;

/// Text from a file, made safe for a terminal: truncated, and without control characters.
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

/// The skipped entries. Its `Display` is one line: how many of how many, and for each kind of fault
/// the count and the first such entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Entries of the file, usable or not.
    pub total: usize,
    /// Id and fault of every skipped entry, in the order in which they were found.
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
        // Most frequent first; ties keep the map's order, so that the line is deterministic.
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
