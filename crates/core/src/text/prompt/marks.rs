//! A sign in the place of each text, so that a template never sees what somebody said, and nothing that was said is ever
//! taken for a part of the template.
//!
//! In: texts, and what a template made of their signs. Out: which text stands where. A sign is one character of the planes for
//! private use, so no filter changes it. White space at a text's ends stays outside its sign, since templates trim.

use std::collections::{HashMap, HashSet};

/// The planes for private use, without the last two places of each, which are no characters.
const PLANES: [std::ops::RangeInclusive<u32>; 2] = [0xF_0000..=0xF_FFFD, 0x10_0000..=0x10_FFFD];

fn is_private(char: char) -> bool {
    PLANES.iter().any(|plane| plane.contains(&u32::from(char)))
}

/// Signs that a template does not have itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs {
    taken: HashSet<char>,
}

impl Signs {
    /// For the template `text`.
    pub fn new(text: &str) -> Self {
        Signs {
            taken: text.chars().filter(|&char| is_private(char)).collect(),
        }
    }

    /// All of them; each once.
    pub fn all(&self) -> impl Iterator<Item = char> {
        let chars = PLANES.into_iter().flatten().filter_map(char::from_u32);
        chars.filter(|char| !self.taken.contains(char))
    }
}

/// A text that has a sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marked<'a> {
    /// Its sign.
    pub sign: char,
    /// The text, without white space at its ends.
    pub text: &'a str,
    /// Whether it is an answer as it was generated, and begins with a space.
    pub spaced: bool,
}

/// Texts with their signs.
#[derive(Debug, Default)]
pub(super) struct Marks<'a> {
    by_sign: HashMap<char, Marked<'a>>,
}

/// What became of the signs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost<'a> {
    /// A text does not occur.
    Dropped(&'a str),
    /// A text occurs more than once.
    Doubled(&'a str),
}

impl<'a> Marks<'a> {
    /// `text` as a template is given it: its sign, between the white space at its ends. White space alone stays what it is.
    pub fn mark(&mut self, sign: char, text: &'a str, generated: bool) -> String {
        let inner = text.trim();
        if inner.is_empty() {
            return text.into();
        }
        let start = text.len() - text.trim_start().len();
        let marked = Marked {
            sign,
            text: inner,
            spaced: generated && text.starts_with(' '),
        };
        self.by_sign.insert(sign, marked);
        format!("{}{sign}{}", &text[..start], &text[start + inner.len()..])
    }

    /// The text of a sign.
    pub fn get(&self, sign: char) -> Option<&Marked<'a>> {
        self.by_sign.get(&sign)
    }

    /// Checks that every sign occurs once.
    ///
    /// # Errors
    /// One that does not.
    pub fn check(&self, rendered: &str) -> Result<(), Lost<'a>> {
        let mut seen = HashSet::new();
        for char in rendered.chars() {
            if let Some(marked) = self.get(char)
                && !seen.insert(char)
            {
                return Err(Lost::Doubled(marked.text));
            }
        }
        let dropped = self
            .by_sign
            .values()
            .find(|marked| !seen.contains(&marked.sign));
        match dropped {
            Some(marked) => Err(Lost::Dropped(marked.text)),
            None => Ok(()),
        }
    }

    /// A part of what was rendered, with its texts in the place of their signs.
    pub fn filled(&self, part: &str) -> String {
        let mut filled = String::with_capacity(part.len());
        for char in part.chars() {
            match self.get(char) {
                Some(marked) => filled.push_str(marked.text),
                None => filled.push(char),
            }
        }
        filled
    }

    /// What was rendered, with one space for two where an answer begins with one and the template had one before it: a
    /// model that is asked behind `Assistant:` begins its answer with the space that its template puts there later.
    pub fn without_double_spaces(&self, rendered: &str) -> String {
        let mut kept = String::with_capacity(rendered.len());
        for char in rendered.chars() {
            if self.get(char).is_some_and(|marked| marked.spaced) && kept.ends_with("  ") {
                kept.pop();
            }
            kept.push(char);
        }
        kept
    }
}
