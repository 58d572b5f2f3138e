//! A question with its only correct answer.

/// The families of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Whether something is in the picture: yes or no.
    Existence,
    /// A figure's colour or shape.
    Attribute,
    /// The number of figures.
    Counting,
    /// Where figures are, relative to each other or in the picture.
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

    /// Its index in [`Family::ALL`].
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

/// A question with its only correct answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its family.
    pub family: Family,
    /// The text of the question.
    pub text: String,
    /// The question in a few words: `colour of the circle`.
    pub brief: String,
    /// Lower-case words, a numeral, or a sign's text in upper case; no full stop.
    pub answer: String,
    /// Whether it is about a held-out pair or word.
    pub held_out: bool,
    /// The kind within the family, e.g. `colour_of_shape`.
    pub kind: &'static str,
    /// Probability of a correct blind guess: 1 / possible answers; for reading `32^-characters`.
    pub chance: f32,
}
