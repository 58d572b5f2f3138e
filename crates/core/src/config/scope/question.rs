//! Matches a question against those that a model of drawn scenes was trained on.
//!
//! In: the user's text. Out: the training data's wording of that question; if there is none,
//! whether at least all its words occur in such questions. People ignore differences in case,
//! punctuation, "please", "color" for "colour" and the like, but a model that never saw them does
//! not.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::wording::{
    COLOUR_OF_SHAPE, COMPARE_BARS, COUNT, COUNT_BARS, EXISTENCE, EXTREME, EXTREME_BAR, QUARTER,
    READ_ONLY_SIGN, READ_SIGN, SHAPE_OF_COLOUR, SIDE,
};

/// The named colours.
pub const COLOURS: [&str; 8] = [
    "red", "orange", "yellow", "green", "blue", "purple", "black", "white",
];

/// The named shapes, singular and plural.
pub const SHAPES: [[&str; 2]; 6] = [
    ["circle", "circles"],
    ["square", "squares"],
    ["triangle", "triangles"],
    ["star", "stars"],
    ["cross", "crosses"],
    ["ring", "rings"],
];

/// The parts that fill a wording's gaps.
#[derive(Clone, Copy)]
enum Gap {
    /// "a red circle"
    AFigure,
    /// "red circles", for "a red circle"
    SeveralFigures,
    /// "red circle"
    Figure,
    /// "red circle" or "circle"
    AnyFigure,
    Colour,
    Shape,
    /// "circles", "red shapes" or "shapes"
    Counted,
    Side,
    Edge,
    Extreme,
    Taller,
}

const SIDES: [&str; 4] = ["to the left of", "to the right of", "above", "below"];
const EDGES: [&str; 6] = [
    "leftmost",
    "rightmost",
    "topmost",
    "highest",
    "bottommost",
    "lowest",
];
const EXTREMES: [&str; 2] = ["tallest", "shortest"];
const TALLER: [&str; 2] = ["taller", "shorter"];

/// Every supported wording, with its gaps in order. Descriptions are excluded, since they are
/// rarely completely correct.
const QUESTIONS: [(&[&str], &[Gap]); 12] = [
    (&EXISTENCE, &[Gap::AFigure]),
    (&COLOUR_OF_SHAPE, &[Gap::Shape]),
    (&SHAPE_OF_COLOUR, &[Gap::Colour]),
    (&COUNT, &[Gap::Counted]),
    (&SIDE, &[Gap::Figure, Gap::Side, Gap::Figure]),
    (&EXTREME, &[Gap::Edge]),
    (&QUARTER, &[Gap::AnyFigure]),
    (&READ_ONLY_SIGN, &[]),
    (&READ_SIGN, &[Gap::Colour]),
    (&COUNT_BARS, &[]),
    (&EXTREME_BAR, &[Gap::Extreme]),
    (&COMPARE_BARS, &[Gap::Colour, Gap::Taller, Gap::Colour]),
];

/// Synonyms, and the word that the questions use.
const SAME: [(&str, &str); 22] = [
    ("color", "colour"),
    ("image", "picture"),
    ("drawing", "picture"),
    ("photo", "picture"),
    ("figure", "shape"),
    ("figures", "shapes"),
    ("object", "shape"),
    ("objects", "shapes"),
    ("graph", "chart"),
    ("diagram", "chart"),
    ("what's", "what is"),
    ("whats", "what is"),
    ("where's", "where is"),
    ("wheres", "where is"),
    ("there's", "there is"),
    ("uppermost", "topmost"),
    ("lowermost", "bottommost"),
    ("underneath", "below"),
    ("beneath", "below"),
    ("under", "below"),
    ("an", "a"),
    ("this", "the"),
];

/// Phrases at the beginning that do not change a question; longer ones first.
const BEFORE: [&str; 16] = [
    "can you please tell me",
    "could you please tell me",
    "can you tell me",
    "could you tell me",
    "please tell me",
    "tell me",
    "can you please",
    "could you please",
    "could you",
    "please",
    "hello",
    "hi",
    "hey",
    "ok",
    "so",
    "and",
];

/// Phrases at the end that do not change a question.
const BEHIND: [&str; 5] = ["please", "thanks", "thank you", "for me", "now"];

/// Paraphrases, and the trained wording, with one gap or none. Words are written as [`SAME`]
/// replaces them.
const OTHERWISE: [(&str, &str, &[Gap]); 19] = [
    ("what the sign says", READ_ONLY_SIGN[0], &[]),
    ("what is on the sign", READ_ONLY_SIGN[1], &[]),
    ("what text is on the sign", READ_ONLY_SIGN[3], &[]),
    ("what is the text on the sign", READ_ONLY_SIGN[3], &[]),
    ("read me the sign", READ_ONLY_SIGN[2], &[]),
    ("read out the sign", READ_ONLY_SIGN[2], &[]),
    ("what the {} sign says", READ_SIGN[0], &[Gap::Colour]),
    ("what is on the {} sign", READ_SIGN[1], &[Gap::Colour]),
    ("what text is on the {} sign", READ_SIGN[3], &[Gap::Colour]),
    (
        "what is the text on the {} sign",
        READ_SIGN[3],
        &[Gap::Colour],
    ),
    ("read me the {} sign", READ_SIGN[2], &[Gap::Colour]),
    ("read out the {} sign", READ_SIGN[2], &[Gap::Colour]),
    ("do you see {}", EXISTENCE[1], &[Gap::AFigure]),
    ("is there {} there", EXISTENCE[0], &[Gap::AFigure]),
    ("are there any {}", EXISTENCE[0], &[Gap::SeveralFigures]),
    ("how many bars", COUNT_BARS[0], &[]),
    ("how many bars are there", COUNT_BARS[0], &[]),
    ("how many {}", COUNT[0], &[Gap::Counted]),
    ("how many {} do you see", COUNT[1], &[Gap::Counted]),
];

/// Words that occur in no wording but do not change a question's meaning.
const HARMLESS: [&str; 9] = [
    "a", "and", "any", "about", "are", "them", "they", "its", "those",
];

/// Phrases such as "in the picture" at the end, which are implied.
const PLACES: [[&str; 3]; 3] = [
    ["in", "the", "picture"],
    ["in", "the", "chart"],
    ["of", "the", "chart"],
];

/// A wording in the form for matching: the words before, between and after its gaps, without its
/// place.
struct Pattern {
    wording: &'static str,
    pieces: Vec<Vec<String>>,
    gaps: &'static [Gap],
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let all = QUESTIONS.iter().flat_map(|(wordings, gaps)| {
        wordings.iter().map(|&wording| Pattern {
            wording,
            pieces: pieces(wording),
            gaps,
        })
    });
    let otherwise = OTHERWISE.iter().map(|&(typed, wording, gaps)| Pattern {
        wording,
        pieces: pieces(typed),
        gaps,
    });
    // The trained wordings are tried first.
    all.chain(otherwise).collect()
});

/// Every word of every wording and of the parts that fill its gaps.
static VOCABULARY: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let wordings = QUESTIONS.iter().flat_map(|(wordings, _)| wordings.iter());
    let phrases = wordings
        .chain(&COLOURS)
        .chain(SHAPES.as_flattened())
        .chain(&SIDES)
        .chain(&EDGES)
        .chain(&EXTREMES)
        .chain(&TALLER)
        .chain(&HARMLESS);
    phrases
        .flat_map(|phrase| words(&phrase.replace("{}", " ")))
        .collect()
});

/// How well a question is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The model was trained on it in this wording.
    Learnt(String),
    /// All its words are known, and it is about something that pictures show, but the whole
    /// question is not known.
    InItsWords,
    /// Neither.
    No,
}

/// How well `question` is known.
pub fn known(question: &str) -> Known {
    let typed = question.trim();
    if QUESTIONS
        .iter()
        .any(|(wordings, _)| wordings.contains(&typed))
    {
        return Known::Learnt(typed.to_string());
    }
    let words = words(question);
    let bare = without_courtesy(&words);
    if let Some(learnt) = [&words[..], bare].into_iter().find_map(learnt) {
        return Known::Learnt(learnt);
    }
    let is_known = |word: &String| VOCABULARY.contains(word);
    match bare.iter().all(is_known) && bare.iter().any(|word| is_shown(word)) {
        true => Known::InItsWords,
        false => Known::No,
    }
}

/// Whether a word may occur in an English question about a picture.
pub(super) fn is_of_questions(word: &str) -> bool {
    VOCABULARY.contains(word)
}

/// The words of a text in lower case, without punctuation, with synonyms replaced.
pub(super) fn words(text: &str) -> Vec<String> {
    let text = text.replace(['’', '‘', '`'], "'").to_lowercase();
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let same = SAME.iter().find(|(other, _)| *other == word);
        let word = same.map_or(word, |(_, same)| same);
        words.extend(
            word.split(' ')
                .filter(|w| !w.is_empty())
                .map(str::to_string),
        );
    }
    words
}

/// `words` without a greeting, "please" and the like.
fn without_courtesy(mut words: &[String]) -> &[String] {
    let begins = |words: &[String], phrase: &str| {
        let phrase = phrase.split(' ');
        words.len() >= phrase.clone().count() && phrase.zip(words).all(|(a, b)| a == b)
    };
    while let Some(phrase) = BEFORE.iter().find(|phrase| begins(words, phrase)) {
        words = &words[phrase.split(' ').count()..];
    }
    let ends = |words: &[String], phrase: &str| {
        let from = words.len().checked_sub(phrase.split(' ').count());
        from.is_some_and(|from| begins(&words[from..], phrase))
    };
    while let Some(phrase) = BEHIND.iter().find(|phrase| ends(words, phrase)) {
        words = &words[..words.len() - phrase.split(' ').count()];
    }
    words
}

/// The trained question for these words.
fn learnt(typed: &[String]) -> Option<String> {
    PATTERNS.iter().find_map(|pattern| {
        let mut parts = fill(&pattern.pieces, pattern.gaps, without_place(typed))?.into_iter();
        let mut question = String::new();
        for (at, piece) in pattern.wording.split("{}").enumerate() {
            if at > 0 {
                question += &parts.next()?;
            }
            question += piece;
        }
        Some(question)
    })
}

/// The words between the gaps of a wording.
fn pieces(wording: &str) -> Vec<Vec<String>> {
    let mut pieces: Vec<Vec<String>> = wording.split("{}").map(words).collect();
    if let Some(last) = pieces.last_mut() {
        last.truncate(without_place(last).len());
    }
    pieces
}

/// `words` without "in the picture" at the end.
fn without_place(words: &[String]) -> &[String] {
    let place = PLACES
        .iter()
        .find(|place| words.ends_with(&place.map(str::to_string)));
    &words[..place.map_or(words.len(), |place| words.len() - place.len())]
}

/// The contents of the gaps between `pieces`, if `typed` consists of those pieces with fitting
/// parts between them.
fn fill(pieces: &[Vec<String>], gaps: &[Gap], typed: &[String]) -> Option<Vec<String>> {
    let (piece, pieces) = pieces.split_first()?;
    let rest = typed.strip_prefix(piece.as_slice())?;
    let Some((gap, gaps)) = gaps.split_first() else {
        return rest.is_empty().then(Vec::new);
    };
    // The longest part has four words.
    (1..=rest.len().min(4)).rev().find_map(|count| {
        let (part, rest) = rest.split_at(count);
        let part = gap.part(part)?;
        let mut parts = fill(pieces, gaps, rest)?;
        parts.insert(0, part);
        Some(parts)
    })
}

impl Gap {
    /// `words` as they are written in this gap, if they fit.
    fn part(self, words: &[String]) -> Option<String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let joined = words.join(" ");
        let one_of = |all: &[&str]| all.contains(&joined.as_str());
        let is_colour = |word: &str| COLOURS.contains(&word);
        let is_shape = |word: &str| SHAPES.iter().any(|[one, _]| *one == word);
        let is_several = |word: &str| SHAPES.iter().any(|[_, several]| *several == word);
        let fits = match (self, words.as_slice()) {
            (Gap::AFigure, ["a", colour, shape]) if is_colour(colour) && is_shape(shape) => {
                return Some(a_figure(colour, shape));
            }
            (Gap::SeveralFigures, [colour, shapes]) if is_colour(colour) => {
                let [shape, _] = SHAPES.iter().find(|[_, several]| several == shapes)?;
                return Some(a_figure(colour, shape));
            }
            (Gap::Figure | Gap::AnyFigure, [colour, shape]) => is_colour(colour) && is_shape(shape),
            (Gap::Shape | Gap::AnyFigure, [shape]) => is_shape(shape),
            (Gap::Colour, [colour]) => is_colour(colour),
            (Gap::Counted, ["shapes"]) => true,
            (Gap::Counted, [shapes]) => is_several(shapes),
            (Gap::Counted, [colour, "shapes"]) => is_colour(colour),
            (Gap::Side, _) if one_of(&["left of", "right of"]) => {
                return Some(format!("to the {joined}"));
            }
            (Gap::Side, _) => one_of(&SIDES),
            (Gap::Edge, _) => one_of(&EDGES),
            (Gap::Extreme, _) => one_of(&EXTREMES),
            (Gap::Taller, _) => one_of(&TALLER),
            _ => false,
        };
        fits.then_some(joined)
    }
}

fn a_figure(colour: &str, shape: &str) -> String {
    let article = match colour.starts_with('o') {
        true => "an",
        false => "a",
    };
    format!("{article} {colour} {shape}")
}

/// Whether a word names something that a picture shows.
fn is_shown(word: &str) -> bool {
    COLOURS.contains(&word)
        || SHAPES.as_flattened().contains(&word)
        || ["shape", "shapes", "sign", "bar", "bars", "chart", "text"].contains(&word)
}
