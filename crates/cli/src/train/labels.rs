//! Training targets of the vision tower: what each token of a crop should represent of the picture
//! around it.
//!
//! A token covers a window of 42 px of the picture (3 patches at N = 3) around its centre, whatever
//! the crop's scale: for a local crop that is the token's neighbourhood, for a global crop the area
//! between its samples. Every visual token, which is made of one position of 3 x 3, can therefore
//! represent everything up to the next one.

use crate::scenes::{Bar, Chart, Colour, Object, Scene, Shape, Sign};

/// Half the window's side, in pixels of the picture.
const WINDOW_PX: f32 = 21.0;
/// Tokens up to this far outside a sign's plate are also trained on its text.
const SIGN_MARGIN_PX: f32 = 14.0;
/// A token is trained on the letters of a line whose middle is within this distance of its own.
const LINE_PX: f32 = 9.0;
/// The most characters that a sign has.
pub const SLOTS: usize = 4;
/// The characters that a slot can hold; it may also be empty.
pub const CHARACTERS: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Number of totals: figures of each colour, of each shape, and of any kind.
pub const TOTALS: usize = Colour::ALL.len() + Shape::ALL.len() + 1;
/// Number of colours that a bar can have.
pub const BARS: usize = Colour::ALL.len();
/// The class of the tallest bars; classes are heights in steps.
pub const BAR_HEIGHTS: usize = Bar::MOST_STEPS;

/// How a crop samples the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Picture pixels from the picture's edge to the crop's first pixel, x and y.
    pub origin_px: [f32; 2],
    /// Picture pixels per crop pixel.
    pub stride: f32,
    /// Whether its resolution is enough to read signs.
    pub legible: bool,
    /// Number of crops along a side that this view is composed of. A sign is a target only for
    /// tokens of the crop that it is in.
    pub crops: usize,
}

/// The targets of a crop's tokens, row by row; class 0 is "none" where that exists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// 0, or 1 + shape of the figure whose centre is in the window.
    pub shape: Vec<usize>,
    /// The figure's colour; `None` without a figure.
    pub colour: Vec<Option<usize>>,
    /// The numbers of figures of its colour, of its shape, and in all, as the classes of a text;
    /// `None` without a figure or if the crop does not show the whole picture.
    pub counts: Vec<Option<[usize; SLOTS]>>,
    /// The numbers of figures of each colour, of each shape, and in all; `None` if the crop does
    /// not show the whole picture. Tokens that learn these totals can derive the counts above.
    pub totals: Option<[usize; TOTALS]>,
    /// 0, or 1 + colour of the nearest sign's plate.
    pub sign: Vec<usize>,
    /// The sign's characters (0: no character), where there is a sign. All zeros where the text is
    /// illegible, since the enhancement adds such a crop's features to those of a crop where it is
    /// legible.
    pub text: Vec<Option<[usize; SLOTS]>>,
    /// The character whose middle is in the left and in the right half of the token's own patch (0:
    /// none), for tokens on a legible sign. Characters must be recognized before a text can be
    /// read: without these targets, texts are not learned within the training budget.
    pub halves: [Vec<Option<usize>>; 2],
    /// 1 on a chart, else 0.
    pub chart: Vec<usize>,
    /// On a chart that the crop shows whole: for every colour the height of its bar, 1 to
    /// [`BAR_HEIGHTS`], or 0 if it has none. Bars are narrower than a position, so each token has
    /// the targets of all bars.
    pub bars: Vec<Option<[usize; BARS]>>,
}

/// The targets of the `side * side` tokens, each of `patch_px` crop pixels, of a crop seen in `view`.
pub fn labels(scene: &Scene, view: View, side: usize, patch_px: usize) -> Labels {
    let mut labels = Labels::default();
    let is_whole_picture = view.stride * (side * patch_px) as f32 >= scene.side_px as f32;
    let totals = is_whole_picture.then(|| totals(scene));
    labels.totals = totals;
    for row in 0..side {
        for column in 0..side {
            let at = |index: usize, origin: f32| {
                origin + view.stride * (index as f32 + 0.5) * patch_px as f32
            };
            let (x, y) = (at(column, view.origin_px[0]), at(row, view.origin_px[1]));
            let figure = nearest(
                scene.objects.iter().map(|object| {
                    let [dx, dy] = [object.centre[0] - x, object.centre[1] - y];
                    (object, dx.abs().max(dy.abs()))
                }),
                WINDOW_PX,
            );
            labels.shape.push(figure.map_or(0, |f| 1 + f.shape.index()));
            labels.colour.push(figure.map(|f| f.colour.index()));
            let counts = figure.zip(totals).map(|(f, totals)| counts(f, totals));
            labels.counts.push(counts);

            // A sign belongs to one crop only: the crop of the token must be that of the sign.
            let extent = view.stride * (side * patch_px) as f32 / view.crops as f32;
            let crop = |at: f32, origin: f32| ((at - origin) / extent).floor();
            let here = scene.signs.iter().filter(|sign| {
                let [sx, sy] = sign.centre;
                let [left, top] = view.origin_px;
                crop(sx, left) == crop(x, left) && crop(sy, top) == crop(y, top)
            });
            let sign = nearest(
                here.map(|sign| {
                    let dx = ((sign.centre[0] - x).abs() - sign.width_px / 2.0).max(0.0);
                    let dy = ((sign.centre[1] - y).abs() - sign.height_px / 2.0).max(0.0);
                    (sign, dx.max(dy))
                }),
                SIGN_MARGIN_PX,
            );
            labels.sign.push(sign.map_or(0, |s| 1 + s.colour.index()));
            labels.text.push(sign.map(|s| match view.legible {
                true => characters(&s.text),
                false => [0; SLOTS],
            }));

            let on_plate = sign.filter(|sign| {
                let margin = view.stride * patch_px as f32 / 2.0;
                let [dx, dy] = [sign.centre[0] - x, sign.centre[1] - y];
                view.legible && dx.abs() < sign.width_px / 2.0 + margin && dy.abs() < LINE_PX
            });
            let quarter = view.stride * patch_px as f32 / 4.0;
            for (half, side) in labels.halves.iter_mut().zip([-1.0, 1.0]) {
                half.push(on_plate.map(|sign| letter_at(sign, x + side * quarter, quarter)));
            }

            let chart = scene.chart.as_ref().filter(|chart| {
                (chart.left..chart.right).contains(&x) && (chart.top..chart.bottom).contains(&y)
            });
            let is_whole = |chart: &&Chart| {
                let [left, top] = view.origin_px;
                let extent = view.stride * (side * patch_px) as f32;
                chart.left >= left
                    && chart.right <= left + extent
                    && chart.top >= top
                    && chart.bottom <= top + extent
            };
            labels.chart.push(usize::from(chart.is_some()));
            labels.bars.push(chart.filter(is_whole).map(bars));
        }
    }
    labels
}

/// Number of shape classes, including "none".
pub fn shapes() -> usize {
    1 + Shape::ALL.len()
}

/// Number of colour classes, including "none".
pub fn colours() -> usize {
    1 + Colour::ALL.len()
}

/// The class of the character whose middle is nearest to `x`, at most `reach` away.
fn letter_at(sign: &Sign, x: f32, reach: f32) -> usize {
    let letters = sign.letters();
    let distances = letters
        .iter()
        .map(|letter| (letter, (letter.1[0] - x).abs()));
    nearest(distances, reach).map_or(0, |(character, _)| class(*character))
}

/// The numbers of figures of each colour, of each shape, and in all.
fn totals(scene: &Scene) -> [usize; TOTALS] {
    let mut totals = [0; TOTALS];
    for object in &scene.objects {
        totals[object.colour.index()] += 1;
        totals[Colour::ALL.len() + object.shape.index()] += 1;
        totals[TOTALS - 1] += 1;
    }
    totals
}

/// The numbers of figures of `figure`'s colour, of its shape, and in all.
fn counts(figure: &Object, totals: [usize; TOTALS]) -> [usize; SLOTS] {
    let of_colour = totals[figure.colour.index()];
    let of_shape = totals[Colour::ALL.len() + figure.shape.index()];
    [of_colour, of_shape, totals[TOTALS - 1], 0]
}

/// The heights of a chart's bars as classes, by colour.
fn bars(chart: &Chart) -> [usize; BARS] {
    let mut heights = [0; BARS];
    for bar in &chart.bars {
        heights[bar.colour.index()] = bar.height_steps();
    }
    heights
}

/// The class of a character; 0 if signs do not use it.
fn class(character: char) -> usize {
    CHARACTERS.find(character).map_or(0, |index| index + 1)
}

/// A sign's characters as classes.
fn characters(text: &str) -> [usize; SLOTS] {
    let mut slots = [0; SLOTS];
    for (slot, character) in slots.iter_mut().zip(text.chars()) {
        *slot = class(character);
    }
    slots
}

/// The nearest of `things`, which come with their distances, if it is within `limit`.
fn nearest<'a, T>(things: impl Iterator<Item = (&'a T, f32)>, limit: f32) -> Option<&'a T> {
    things
        .filter(|(_, distance)| *distance <= limit)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(thing, _)| thing)
}
