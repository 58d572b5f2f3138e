//! Parses a description and judges how much of it is true of a scene.
//!
//! In: a text with the vocabulary of [`caption`](super::caption()); its order and connecting words
//! are ignored. A figure may be followed by its place ("at the top left"), and a chart by its
//! tallest and shortest bars, since models may have learned to mention them. Out: the things
//! mentioned, and how many of them are in the scene. A text with any other word is rejected.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use super::layout::{Object, Scene};
use super::palette::{Colour, Shape};
use super::wording::number;

/// A figure counts as left, right, above or below if its centre is further than this from the
/// picture's, px.
pub(super) const MIDDLE_PX: f32 = 42.0;
/// Tolerance at the borders between places, px: a figure this near to a border may be described as
/// on either side. A third of the narrowest figure's width.
const SLACK_PX: f32 = 14.0;

/// Connecting words.
const JOINING: [&str; 11] = [
    "the", "picture", "shows", "has", "it", "also", "in", "this", "you", "see", "and",
];

/// The things that a description mentions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    figures: Vec<Told>,
    signs: Vec<(Colour, String)>,
    charts: Vec<ToldChart>,
}

/// A figure that is mentioned.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    colour: Colour,
    shape: Shape,
    place: Option<Place>,
}

/// Vertical and horizontal place: -1 (top, left), 0 (neither) or 1 (bottom, right).
type Place = [i8; 2];

/// A chart that is mentioned.
#[derive(Debug, Clone, PartialEq)]
struct ToldChart {
    bars: usize,
    /// The colours of the tallest and of the shortest bar, if mentioned.
    ends: Option<[Colour; 2]>,
}

/// How many things of a kind are mentioned, and how many exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Number in the scene.
    pub there: usize,
    /// Number in the description.
    pub told: usize,
    /// Number mentioned correctly; each thing in the scene counts once.
    pub right: usize,
}

impl Found {
    /// Whether everything is mentioned exactly once, and nothing else.
    pub fn is_right(&self) -> bool {
        self.right == self.there && self.right == self.told
    }
}

/// The judgement of a description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Figures, by colour, shape and, if mentioned, the place.
    pub figures: Found,
    /// Signs, by colour and text.
    pub signs: Found,
    /// Charts, by the number of bars and, if mentioned, the tallest and shortest bars.
    pub charts: Found,
    /// Whether every word of the description is understood; if not, nothing counts as correct.
    pub understood: bool,
}

impl Verdict {
    /// Whether the description is completely correct.
    pub fn is_right(&self) -> bool {
        let all = [self.figures, self.signs, self.charts];
        self.understood && all.iter().all(Found::is_right)
    }
}

impl Description {
    /// The things that `text` mentions; `None` if it has words that no description has.
    pub fn read(text: &str) -> Option<Self> {
        let mut found = Description::default();
        let mut words = Words {
            rest: text.split_whitespace().peekable(),
        };
        while let Some(word) = words.next() {
            let count = match word.as_str() {
                "a" | "an" => 1,
                "can" | "is" | "empty" => continue,
                word if JOINING.contains(&word) => continue,
                word => counted(word)?,
            };
            found.thing(count, &mut words)?;
        }
        Some(found)
    }

    /// Parses the thing after "a" or a number.
    fn thing(&mut self, count: usize, words: &mut Words<'_>) -> Option<()> {
        let first = words.next()?;
        if first == "chart" {
            words.follow(&["with"])?;
            let bars = counted(&words.next()?)?;
            words.follow(&["bars"])?;
            let ends = match words.takes(&["the", "tallest"]) {
                true => {
                    let tallest = colour(&words.next()?)?;
                    words.follow(&["and", "the", "shortest"])?;
                    Some([tallest, colour(&words.next()?)?])
                }
                false => None,
            };
            self.charts.push(ToldChart { bars, ends });
            return Some(());
        }
        let colour = colour(&first)?;
        let noun = words.next()?;
        if noun == "sign" {
            words.follow(&["that", "says"])?;
            self.signs.push((colour, words.next_as_it_stands()?));
            return Some(());
        }
        let is_named = |shape: &Shape| noun == shape.name() || noun == shape.plural();
        let shape = Shape::ALL.into_iter().find(is_named)?;
        let told = Told {
            colour,
            shape,
            place: words.place()?,
        };
        self.figures.extend(std::iter::repeat_n(told, count));
        Some(())
    }

    /// How much of it is true of `scene`.
    pub fn judge(&self, scene: &Scene) -> Verdict {
        let is_figure = |told: &Told, object: &Object| {
            let is_there = |place| is_at(place, object, scene.side_px as f32);
            (told.colour, told.shape) == (object.colour, object.shape)
                && told.place.is_none_or(is_there)
        };
        let charts: Vec<_> = scene.chart.iter().collect();
        Verdict {
            figures: count(&self.figures, &scene.objects, is_figure),
            signs: count(&self.signs, &scene.signs, |(colour, text), sign| {
                *colour == sign.colour && *text == sign.text
            }),
            charts: count(&self.charts, &charts, |told, chart| {
                let by_height = |(_, height): &(Colour, f32), (_, other): &(Colour, f32)| {
                    height.total_cmp(other)
                };
                let bars = chart.bars.iter().map(|bar| (bar.colour, bar.height_px()));
                let ends = bars
                    .clone()
                    .max_by(by_height)
                    .zip(bars.min_by(by_height))
                    .map(|((tallest, _), (shortest, _))| [tallest, shortest]);
                told.bars == chart.bars.len() && (told.ends.is_none() || told.ends == ends)
            }),
            understood: true,
        }
    }
}

/// Judges `text` as a description of `scene`.
pub fn judge(text: &str, scene: &Scene) -> Verdict {
    match Description::read(text) {
        Some(description) => description.judge(scene),
        // Nothing counts as mentioned, and everything in the scene as missed.
        None => Verdict {
            understood: false,
            ..Description::default().judge(scene)
        },
    }
}

/// Whether an object may be described as being in this place.
fn is_at(place: Place, object: &Object, side_px: f32) -> bool {
    [1, 0].into_iter().zip(place).all(|(axis, side)| {
        let from_middle = object.centre[axis] - side_px / 2.0;
        match side {
            0 => from_middle.abs() <= MIDDLE_PX + SLACK_PX,
            side => from_middle * f32::from(side) >= MIDDLE_PX - SLACK_PX,
        }
    })
}

/// The largest number of pairs of `told` and `there` (Kuhn's algorithm), so that a thing mentioned
/// twice counts once.
fn count<T, U>(told: &[T], there: &[U], is_same: impl Fn(&T, &U) -> bool) -> Found {
    let fits: Vec<Vec<usize>> = told
        .iter()
        .map(|told| {
            let same = there
                .iter()
                .enumerate()
                .filter(|(_, thing)| is_same(told, thing));
            same.map(|(place, _)| place).collect()
        })
        .collect();
    let mut taken: Vec<Option<usize>> = vec![None; there.len()];
    let right = (0..told.len())
        .filter(|&one| pair(one, &fits, &mut taken, &mut vec![false; there.len()]))
        .count();
    Found {
        there: there.len(),
        told: told.len(),
        right,
    }
}

/// Finds a partner for `one`, reassigning others if that frees one.
fn pair(one: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &thing in &fits[one] {
        if std::mem::replace(&mut tried[thing], true) {
            continue;
        }
        let is_free = match taken[thing] {
            None => true,
            Some(other) => pair(other, fits, taken, tried),
        };
        if is_free {
            taken[thing] = Some(one);
            return true;
        }
    }
    false
}

fn colour(word: &str) -> Option<Colour> {
    Colour::ALL.into_iter().find(|colour| colour.name() == word)
}

fn counted(word: &str) -> Option<usize> {
    (1..=9).find(|&count| number(count) == word)
}

/// The words of a text in lower case, without punctuation.
struct Words<'a> {
    rest: Peekable<SplitWhitespace<'a>>,
}

impl Words<'_> {
    fn next(&mut self) -> Option<String> {
        Some(bare(self.rest.next()?).to_lowercase())
    }

    /// The next word with its capitals.
    fn next_as_it_stands(&mut self) -> Option<String> {
        Some(bare(self.rest.next()?).to_string())
    }

    fn follow(&mut self, words: &[&str]) -> Option<()> {
        words
            .iter()
            .all(|word| self.next().is_some_and(|next| next == *word))
            .then_some(())
    }

    /// Whether `words` come next; if they do, consumes them.
    fn takes(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.rest.clone();
        let come = |word: &&str| ahead.next().is_some_and(|next| bare(next) == *word);
        let are_next = words.iter().all(come);
        if are_next {
            self.rest.nth(words.len().saturating_sub(1));
        }
        are_next
    }

    /// A place, if one comes next; the outer `None` is for an incomplete one.
    fn place(&mut self) -> Option<Option<Place>> {
        if self.takes(&["in", "the", "middle"]) {
            return Some(Some([0, 0]));
        }
        if !self.takes(&["at", "the"]) {
            return Some(None);
        }
        let mut side = |low: &str, high: &str| match () {
            () if self.takes(&[low]) => -1,
            () if self.takes(&[high]) => 1,
            () => 0,
        };
        let place = [side("top", "bottom"), side("left", "right")];
        (place != [0, 0]).then_some(Some(place))
    }
}

/// A word without punctuation around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}
