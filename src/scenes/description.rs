//! What a description says, and how much of it is true of a scene.
//!
//! In: a text in the words of [`caption`](super::caption()), whose order and connecting words are not looked at. A figure
//! may have its place behind it ("at the top left"), and a chart its ends: models may have learnt to tell them. Out: the
//! things it tells of, and how many of them are there. A text with any other word is not understood.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use super::layout::{Object, Scene};
use super::palette::{Colour, Shape};
use super::wording::number;

/// A figure's middle is to the left, the right, above or below if it is further than this from the picture's, px.
pub(super) const MIDDLE_PX: f32 = 42.0;
/// A figure this near to where one place ends and the next begins may be told to be in either, px: a third of the
/// narrowest figure's width.
const SLACK_PX: f32 = 14.0;

/// Words that join what is told.
const JOINING: [&str; 11] = [
    "the", "picture", "shows", "has", "it", "also", "in", "this", "you", "see", "and",
];

/// What a description tells of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Description {
    figures: Vec<Told>,
    signs: Vec<(Colour, String)>,
    charts: Vec<ToldChart>,
}

/// A figure that is told of.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    colour: Colour,
    shape: Shape,
    place: Option<Place>,
}

/// Up and down, left and right: -1, 0 for neither, or 1.
type Place = [i8; 2];

/// A chart that is told of.
#[derive(Debug, Clone, PartialEq)]
struct ToldChart {
    bars: usize,
    /// The colours of the tallest and of the shortest bar, where they are told.
    ends: Option<[Colour; 2]>,
}

/// How many things of a kind are told of and are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// In the scene.
    pub there: usize,
    /// In the description.
    pub told: usize,
    /// Told, and there as it is told, each counted once.
    pub right: usize,
}

impl Found {
    /// Whether everything is told, once, and nothing else.
    pub fn is_right(&self) -> bool {
        self.right == self.there && self.right == self.told
    }
}

/// What is right of a description.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Colour, shape and, where it is told, the place.
    pub figures: Found,
    /// Colour and text.
    pub signs: Found,
    /// The number of bars and, where they are told, the ends.
    pub charts: Found,
    /// Whether the description is of words that are understood; the rest counts nothing if not.
    pub understood: bool,
}

impl Verdict {
    /// Whether the description is right throughout.
    pub fn is_right(&self) -> bool {
        let all = [self.figures, self.signs, self.charts];
        self.understood && all.iter().all(Found::is_right)
    }
}

impl Description {
    /// What `text` tells of; `None` where it has words that a description does not have.
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

    /// What follows "a", or a number.
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

/// What is right of `text` as a description of `scene`.
pub fn judge(text: &str, scene: &Scene) -> Verdict {
    match Description::read(text) {
        Some(description) => description.judge(scene),
        // Nothing is told, and what is there was not found.
        None => Verdict {
            understood: false,
            ..Description::default().judge(scene)
        },
    }
}

/// Whether a figure may be said to be in a place.
fn is_at(place: Place, object: &Object, side_px: f32) -> bool {
    [1, 0].into_iter().zip(place).all(|(axis, side)| {
        let from_middle = object.centre[axis] - side_px / 2.0;
        match side {
            0 => from_middle.abs() <= MIDDLE_PX + SLACK_PX,
            side => from_middle * f32::from(side) >= MIDDLE_PX - SLACK_PX,
        }
    })
}

/// The most of `told` that can be paired with as many of `there` (Kuhn's algorithm): one told twice is there once.
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

/// Pairs `one`, moving others where that makes room.
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

/// The words of a text in small letters, without what stands between them.
struct Words<'a> {
    rest: Peekable<SplitWhitespace<'a>>,
}

impl Words<'_> {
    fn next(&mut self) -> Option<String> {
        Some(bare(self.rest.next()?).to_lowercase())
    }

    /// With its capitals.
    fn next_as_it_stands(&mut self) -> Option<String> {
        Some(bare(self.rest.next()?).to_string())
    }

    fn follow(&mut self, words: &[&str]) -> Option<()> {
        words
            .iter()
            .all(|word| self.next().is_some_and(|next| next == *word))
            .then_some(())
    }

    /// Whether `words` come next; they are then taken, and else none is.
    fn takes(&mut self, words: &[&str]) -> bool {
        let mut ahead = self.rest.clone();
        let come = |word: &&str| ahead.next().is_some_and(|next| bare(next) == *word);
        let are_next = words.iter().all(come);
        if are_next {
            self.rest.nth(words.len().saturating_sub(1));
        }
        are_next
    }

    /// A place, if one comes next; `None` for half of one.
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

/// A word without what stands behind it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}
