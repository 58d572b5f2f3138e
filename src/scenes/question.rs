//! Which questions are asked of a scene: a varied mix of the six families.

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::families::{self, Draft};
use super::layout::Scene;

/// Questions have random numbers of their own: asking differently leaves the pictures as they are.
const PURPOSE: u64 = 3;
/// Draws without a new question after which a family is taken to have no more.
const PATIENCE: usize = 12;

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

/// Random numbers for the questions of the scene with this index under this seed, independent of
/// those that drew it.
pub fn question_rng(seed: u64, index: u64) -> ChaCha8Rng {
    dice::stream(seed, index, PURPOSE)
}

/// Up to `count` questions, no two about the same. The family of each is drawn with equal chances
/// among those that the scene still has questions of; a scene without chart has five.
pub fn questions(scene: &Scene, rng: &mut ChaCha8Rng, count: usize) -> Vec<Question> {
    let mut families = Family::ALL.to_vec();
    let mut asked: Vec<Draft> = Vec::with_capacity(count);
    while asked.len() < count {
        let at = dice::below(rng, families.len());
        let Some(&family) = families.get(at) else {
            break;
        };
        let yes = dice::chance(rng, 0.5);
        let draft = (0..PATIENCE)
            .filter_map(|_| families::draft(family, scene, rng, yes))
            .find(|draft| asked.iter().all(|other| other.subject != draft.subject));
        match draft {
            Some(draft) => asked.push(draft),
            None => {
                families.swap_remove(at);
            }
        }
    }
    asked.into_iter().map(|draft| draft.question).collect()
}
