//! A sign: a plate with a short text that is legible at full resolution only.

use rand_chacha::ChaCha8Rng;

use super::palette::Colour;
use super::{dice, letters, words};
use crate::scenes::split::Split;
use crate::scenes::turned::extent;

/// Height of a capital letter, px: clear at full resolution, about three samples at stride 3.
const CAP_PX: [f32; 2] = [8.5, 10.5];

/// A plate with text.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    /// Two to four characters of [`ALPHABET`](super::ALPHABET).
    pub text: String,
    /// The plate's colour.
    pub colour: Colour,
    /// The plate's centre: x, y in px, sub-pixel.
    pub centre: [f32; 2],
    /// Width of the plate before its rotation, px.
    pub width_px: f32,
    /// Height of the plate before its rotation, px.
    pub height_px: f32,
    /// Index of its font, below [`FONTS`](super::FONTS).
    pub font: usize,
    /// Height of a capital letter, px: 8.5..10.5.
    pub cap_px: f32,
    /// Radius of the plate's corners, px.
    pub corner_px: f32,
    /// Rotation in radians, clockwise; mostly 0.
    pub angle: f32,
    /// Whether the text is one of [`HELD_OUT_WORDS`](super::HELD_OUT_WORDS).
    pub held_out: bool,
}

impl Sign {
    /// A random sign, with its centre at 0, 0.
    pub(super) fn random(rng: &mut ChaCha8Rng, split: Split, colour: Colour) -> Self {
        let (text, held_out) = words::text(rng, split);
        let font = dice::below(rng, letters::FONTS);
        let cap_px = dice::between(rng, CAP_PX[0], CAP_PX[1]);
        let margin_x = dice::between(rng, 3.5, 6.0);
        // J and Q of some fonts reach up to 0.28 capital heights below the baseline.
        let margin_y = dice::between(rng, 4.0, 6.0);
        let tilted = dice::chance(rng, 0.35);
        let angle = dice::between(rng, -3.0, 3.0).to_radians();
        Sign {
            width_px: letters::width(font, &text) * cap_px + 2.0 * margin_x,
            height_px: cap_px + 2.0 * margin_y,
            text,
            colour,
            centre: [0.0; 2],
            font,
            cap_px,
            corner_px: dice::between(rng, 2.0, 5.0),
            angle: if tilted { angle } else { 0.0 },
            held_out,
        }
    }

    /// Every character and its centre: x, y in px.
    pub fn letters(&self) -> Vec<(char, [f32; 2])> {
        let mut at = -letters::width(self.font, &self.text) / 2.0;
        let (sin, cos) = self.angle.sin_cos();
        let advance = |c| letters::letter(self.font, c).map_or(0.0, |letter| letter.advance);
        self.text
            .chars()
            .map(|c| {
                let x = (at + advance(c) / 2.0) * self.cap_px;
                at += advance(c);
                (c, [self.centre[0] + x * cos, self.centre[1] + x * sin])
            })
            .collect()
    }

    /// Half the width and half the height of the plate's axis-aligned bounding box, px.
    pub fn half_extent(&self) -> [f32; 2] {
        extent(self.width_px / 2.0, self.height_px / 2.0, self.angle)
    }
}
