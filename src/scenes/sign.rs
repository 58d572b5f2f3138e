//! A sign: a plate with a short text whose letters only the full resolution shows.

use rand_chacha::ChaCha8Rng;

use super::palette::Colour;
use super::{dice, letters, words};
use crate::scenes::split::Split;
use crate::scenes::turned::extent;

/// Height of a capital letter, px: clear at full resolution, some three samples at stride 3.
const CAP_PX: [f32; 2] = [8.5, 10.5];

/// A plate with text.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    /// Two to four characters of [`ALPHABET`](super::ALPHABET).
    pub text: String,
    /// The plate's.
    pub colour: Colour,
    /// The plate's middle: x, y in px, sub-pixel.
    pub centre: [f32; 2],
    /// The plate before its tilt, px.
    pub width_px: f32,
    /// The plate before its tilt, px.
    pub height_px: f32,
    /// Which of the [`FONTS`](super::FONTS).
    pub font: usize,
    /// Height of a capital letter, px: 8.5..10.5.
    pub cap_px: f32,
    /// Radius of the plate's corners, px.
    pub corner_px: f32,
    /// Tilt in radians, clockwise; mostly 0.
    pub angle: f32,
    /// Whether the text is one of [`HELD_OUT_WORDS`](super::HELD_OUT_WORDS).
    pub held_out: bool,
}

impl Sign {
    /// A random one, with its middle at 0, 0.
    pub(super) fn random(rng: &mut ChaCha8Rng, split: Split, colour: Colour) -> Self {
        let (text, held_out) = words::text(rng, split);
        let font = dice::below(rng, letters::FONTS);
        let cap_px = dice::between(rng, CAP_PX[0], CAP_PX[1]);
        let margin_x = dice::between(rng, 3.5, 6.0);
        // Some fonts' J and Q reach below the line by up to 0.28 of a capital.
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

    /// Every character and its middle: x, y in px.
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

    /// Half the width and half the height of the upright box around the tilted plate, px.
    pub fn half_extent(&self) -> [f32; 2] {
        extent(self.width_px / 2.0, self.height_px / 2.0, self.angle)
    }
}
