//! A question with its one right answer, and what it may be about.

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Is something there? Yes or no.
    Existence,
    /// A figure's colour or shape.
    Attribute,
    /// How many figures.
    Counting,
    /// Where figures are, among themselves and in the picture.
    Relation,
    /// A sign's text.
    Reading,
    /// The bar chart.
    Chart,
}

impl Family {
    /// Every family, in the order of [`Family::index`].
    pub const ALL: [Family; 6] = [
        Family::Existence,
        Family::Attribute,
        Family::Counting,
        Family::Relation,
        Family::Reading,
        Family::Chart,
    ];

    /// Its place in [`Family::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name in files and tables, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Family::Existence => "existence",
            Family::Attribute => "attribute",
            Family::Counting => "counting",
            Family::Relation => "relation",
            Family::Reading => "reading",
            Family::Chart => "chart",
        }
    }
}

/// A question with its one right answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What it is about.
    pub family: Family,
    /// What is asked.
    pub text: String,
    /// The same in a few words, without the manner of asking: `colour of the circle`.
    pub brief: String,
    /// Lower-case words, a numeral, or a sign's text in upper case; no full stop.
    pub answer: String,
    /// Whether it is about a held-out pair or word.
    pub held_out: bool,
    /// The finer kind, e.g. `colour_of_shape`.
    pub kind: &'static str,
    /// How often a blind guess is right: 1 / possible answers; for reading `32^-characters`.
    pub chance: f32,
}
