//! The layout of a scene: a seed and an index in, a [`Scene`] out.

use rand_chacha::ChaCha8Rng;

use super::background::Background;
use super::chart::{Chart, PANEL_HEIGHT_PX, PANEL_WIDTH_PX};
use super::dice;
use super::palette::{Colour, HELD_OUT_PAIRS, Shape, is_held_out};
use super::sign::Sign;
use super::split::Split;
use super::turned::extent;

/// The default side of a picture, px: three by three crops of 112.
pub const SIDE_PX: u32 = 336;

/// Crops along a side, as the model divides the picture.
const CROPS: usize = 3;
/// Minimum gap between any two things, px.
const GAP_PX: f32 = 6.0;
/// Minimum distance from the picture's edge, px.
const EDGE_PX: f32 = 5.0;
/// Minimum gap between two signs, px.
const SIGN_GAP_PX: f32 = 34.0;
/// A sign lies completely inside one crop, at least this far from its border, px. Reading a text
/// that is cut by a border is a separate problem, which these pictures avoid.
const CROP_EDGE_PX: f32 = 3.5;
/// Positions tried for one thing before it is omitted.
const TRIES: usize = 80;
/// Signs to place in each crop of a dense scene.
const DENSE_SIGNS: usize = 3;
/// Share of the Test pictures that show a held-out pair.
const HELD_OUT_SHARE: f32 = 0.3;
const CHART_SHARE: f32 = 0.45;
const PURPOSE: [u64; 2] = [1, 2];

/// The options of scenes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SceneOptions {
    /// The picture's side, px; sizes of things are in px and do not scale with it.
    pub side_px: u32,
    /// Whether held-out pairs and words may occur.
    pub split: Split,
    /// Up to three signs in every crop, and figures in most of the remaining space: much to learn
    /// from one picture, for the training of the vision tower, which learns letters slowest. No
    /// questions are asked about dense scenes.
    pub dense: bool,
}

impl Default for SceneOptions {
    /// Ordinary training pictures.
    fn default() -> Self {
        SceneOptions {
            side_px: SIDE_PX,
            split: Split::Train,
            dense: false,
        }
    }
}

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its shape.
    pub shape: Shape,
    /// Its named colour.
    pub colour: Colour,
    /// The centre: x, y in px, sub-pixel.
    pub centre: [f32; 2],
    /// Side of its bounding box before the rotation, px.
    pub size_px: f32,
    /// Rotation in radians, clockwise; within 12 degrees.
    pub angle: f32,
    /// Factor on the colour's brightness, close to 1.
    pub brightness: f32,
    /// Width of the outline, px; 0 for none.
    pub outline_px: f32,
}

impl Object {
    /// Half the side of its axis-aligned bounding box, px, including the outline.
    pub fn half_extent(&self) -> f32 {
        let half = self.size_px / 2.0;
        extent(half, half, self.angle)[0] + self.outline_px / 2.0
    }

    /// Whether its pair is one of [`HELD_OUT_PAIRS`].
    pub fn is_held_out(&self) -> bool {
        is_held_out(self.colour, self.shape)
    }
}

/// Everything in a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The picture's side, px.
    pub side_px: u32,
    /// Its split, which decides whether questions about absent things may use held-out pairs.
    pub split: Split,
    /// What is behind everything.
    pub background: Background,
    /// The figures, in no particular order.
    pub objects: Vec<Object>,
    /// The signs, in no particular order; their colours are distinct unless the scene is dense.
    pub signs: Vec<Sign>,
    /// At most one chart.
    pub chart: Option<Chart>,
}

/// The scene `index` under `seed`. Equal arguments give equal scenes; the two splits of a seed are
/// independent.
pub fn scene(seed: u64, index: u64, options: &SceneOptions) -> Scene {
    let mut rng = dice::stream(seed, index, PURPOSE[options.split.index()]);
    let mut layout = Layout {
        side: options.side_px as f32,
        taken: Vec::new(),
    };
    let background = Background::random(&mut rng);
    // Hardest first: the chart, then the signs, which must stay clear of crop borders.
    let with_chart = dice::chance(&mut rng, if options.dense { 0.3 } else { CHART_SHARE });
    let chart = with_chart
        .then(|| Chart::random(&mut rng))
        .and_then(|chart| {
            let half = [PANEL_WIDTH_PX / 2.0, PANEL_HEIGHT_PX / 2.0];
            Some(chart.moved(layout.place(&mut rng, half)?))
        });
    let signs = layout.signs(&mut rng, options);
    let objects = layout.objects(&mut rng, options);
    Scene {
        side_px: options.side_px,
        split: options.split,
        background,
        objects,
        signs,
        chart,
    }
}

/// The centre and the half sides of a placed thing, px.
#[derive(Clone, Copy)]
struct Place {
    centre: [f32; 2],
    half: [f32; 2],
}

impl Place {
    /// The larger of the horizontal and the vertical gap; negative if the boxes overlap.
    fn gap(&self, other: &Place) -> f32 {
        let gap = |axis: usize| {
            (self.centre[axis] - other.centre[axis]).abs() - self.half[axis] - other.half[axis]
        };
        gap(0).max(gap(1))
    }
}

/// The places taken so far.
struct Layout {
    side: f32,
    taken: Vec<Place>,
}

impl Layout {
    /// A free place in the picture for a box with these half sides, which is then taken.
    fn place(&mut self, rng: &mut ChaCha8Rng, half: [f32; 2]) -> Option<[f32; 2]> {
        let (low, high) = (EDGE_PX, self.side - EDGE_PX);
        self.place_within(rng, half, [[low, high], [low, high]])
    }

    /// Like [`Layout::place`], with the whole box inside `bounds`: `[low, high]` in x and in y.
    fn place_within(
        &mut self,
        rng: &mut ChaCha8Rng,
        half: [f32; 2],
        bounds: [[f32; 2]; 2],
    ) -> Option<[f32; 2]> {
        if (0..2).any(|axis| bounds[axis][1] - bounds[axis][0] < 2.0 * half[axis]) {
            return None;
        }
        for _ in 0..TRIES {
            let mut along = |axis: usize| {
                let [low, high] = bounds[axis];
                dice::between(rng, low + half[axis], high - half[axis])
            };
            let place = Place {
                centre: [along(0), along(1)],
                half,
            };
            if self.taken.iter().all(|other| place.gap(other) >= GAP_PX) {
                self.taken.push(place);
                return Some(place.centre);
            }
        }
        None
    }

    /// One to three signs, in any crop; if dense, up to three in every crop.
    fn signs(&mut self, rng: &mut ChaCha8Rng, options: &SceneOptions) -> Vec<Sign> {
        let mut crops: Vec<usize> = Vec::new();
        if options.dense {
            crops.extend((0..CROPS * CROPS).flat_map(|crop| [crop; DENSE_SIGNS]));
            crops.retain(|_| dice::chance(rng, 0.95));
        } else {
            let count = 1 + dice::below(rng, 3);
            crops.extend((0..count).map(|_| dice::below(rng, CROPS * CROPS)));
        }
        dice::shuffle(rng, &mut crops);
        let mut colours = Colour::ALL;
        dice::shuffle(rng, &mut colours);
        let mut signs: Vec<Sign> = Vec::new();
        for (crop, &colour) in crops.into_iter().zip(colours.iter().cycle()) {
            let sign = Sign::random(rng, options.split, colour);
            if signs.iter().any(|other| other.text == sign.text) {
                continue;
            }
            // The chart may fill the chosen crop; an ordinary scene then tries another.
            let mut centre = self.place_sign(rng, &sign, &signs, crop);
            for _ in 0..if options.dense { 0 } else { CROPS } {
                let crop = dice::below(rng, CROPS * CROPS);
                centre = centre.or_else(|| self.place_sign(rng, &sign, &signs, crop));
            }
            if let Some(centre) = centre {
                signs.push(Sign { centre, ..sign });
            }
        }
        signs
    }

    /// A place for a sign in a crop, far enough from the other signs.
    fn place_sign(
        &mut self,
        rng: &mut ChaCha8Rng,
        sign: &Sign,
        others: &[Sign],
        crop: usize,
    ) -> Option<[f32; 2]> {
        let crop_px = self.side / CROPS as f32;
        let range = |at: usize| {
            let low = crop_px * at as f32;
            [low + CROP_EDGE_PX, low + crop_px - CROP_EDGE_PX]
        };
        let bounds = [range(crop % CROPS), range(crop / CROPS)];
        let half = sign.half_extent();
        for _ in 0..TRIES / 4 {
            let centre = self.place_within(rng, half, bounds)?;
            let place = Place { centre, half };
            let is_clear = others.iter().all(|other| {
                let other = Place {
                    centre: other.centre,
                    half: other.half_extent(),
                };
                place.gap(&other) >= SIGN_GAP_PX
            });
            if is_clear {
                return Some(centre);
            }
            self.taken.pop();
        }
        None
    }

    /// Two to six figures; if dense, as many as can be placed.
    fn objects(&mut self, rng: &mut ChaCha8Rng, options: &SceneOptions) -> Vec<Object> {
        let count = if options.dense {
            18
        } else {
            // Few figures allow few questions about relations, so scenes with two are rare.
            const COUNTS: [usize; 10] = [2, 3, 3, 4, 4, 4, 5, 5, 6, 6];
            COUNTS[dice::below(rng, COUNTS.len())]
        };
        let largest = if options.dense { 52.0 } else { 62.0 };
        let mut objects = Vec::new();
        for (colour, shape) in pairs(rng, options, count) {
            let outlined = dice::chance(rng, 0.6);
            let outline_px = dice::between(rng, 1.0, 2.2);
            let mut object = Object {
                shape,
                colour,
                centre: [0.0; 2],
                size_px: dice::between(rng, 38.0, largest),
                angle: dice::between(rng, -12.0, 12.0).to_radians(),
                brightness: dice::between(rng, 0.95, 1.06),
                outline_px: if outlined { outline_px } else { 0.0 },
            };
            let half = object.half_extent();
            if let Some(centre) = self.place(rng, [half; 2]) {
                object.centre = centre;
                objects.push(object);
            }
        }
        objects
    }
}

/// The figures' colours and shapes. Half of the pictures repeat a shape and a quarter repeat a
/// colour, so that counts above 1 are common. Training pictures repeat more often and more figures,
/// since high counts are learned last.
fn pairs(rng: &mut ChaCha8Rng, options: &SceneOptions, count: usize) -> Vec<(Colour, Shape)> {
    let (longer, of_shape, of_colour) = match options.split {
        Split::Train => (5, 0.45, 0.85),
        Split::Test => (3, 0.5, 0.75),
    };
    let repeated = 2 + dice::below(rng, longer);
    let theme = dice::between(rng, 0.0, 1.0);
    let colour = Colour::ALL[dice::below(rng, 8)];
    let shape = Shape::ALL[dice::below(rng, 6)];
    let mut pairs = Vec::with_capacity(count);
    if options.split == Split::Test && dice::chance(rng, HELD_OUT_SHARE) {
        pairs.push(HELD_OUT_PAIRS[dice::below(rng, HELD_OUT_PAIRS.len())]);
    }
    while pairs.len() < count {
        let mut pair = (
            Colour::ALL[dice::below(rng, 8)],
            Shape::ALL[dice::below(rng, 6)],
        );
        if pairs.len() < repeated && !options.dense {
            if theme < of_shape {
                pair.1 = shape;
            } else if theme < of_colour {
                pair.0 = colour;
            }
        }
        if !is_held_out(pair.0, pair.1) {
            pairs.push(pair);
        }
    }
    pairs
}
