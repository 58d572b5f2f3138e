//! Outlines of the signs' letters, as paths in units of the capital height.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, OutlineCurve};
use tiny_skia::{Path, PathBuilder};

use super::words::ALPHABET;

/// Number of fonts for signs: DejaVu Sans, Sans Mono and Serif, all bold.
pub const FONTS: usize = 3;

static FILES: [&[u8]; FONTS] = [
    include_bytes!("../../assets/fonts/DejaVuSans-Bold.ttf"),
    include_bytes!("../../assets/fonts/DejaVuSansMono-Bold.ttf"),
    include_bytes!("../../assets/fonts/DejaVuSerif-Bold.ttf"),
];

/// One character: the baseline is y = 0, capitals reach up to y = -1.
pub struct Letter {
    /// From this letter's origin to the next one's, in capital heights.
    pub advance: f32,
    /// `None` if the font has no outline for it.
    pub outline: Option<Path>,
}

/// The letter of `character` in the font with this index; `None` outside [`ALPHABET`].
pub fn letter(font: usize, character: char) -> Option<&'static Letter> {
    static LETTERS: OnceLock<Vec<Vec<Letter>>> = OnceLock::new();
    let place = ALPHABET.iter().position(|&b| char::from(b) == character)?;
    LETTERS
        .get_or_init(|| FILES.iter().map(|file| read(file)).collect())
        .get(font)?
        .get(place)
}

/// The width of `text`, in capital heights.
pub fn width(font: usize, text: &str) -> f32 {
    text.chars()
        .filter_map(|character| letter(font, character))
        .map(|letter| letter.advance)
        .sum()
}

/// The letters of [`ALPHABET`] in a font file; empty if it cannot be read, which a test rules out.
fn read(file: &'static [u8]) -> Vec<Letter> {
    let Ok(font) = FontRef::try_from_slice(file) else {
        return Vec::new();
    };
    let capital = font.outline(font.glyph_id('H'));
    let unit = capital.map_or(1.0, |outline| outline.bounds.height().abs().max(1.0));
    let letter = |&byte: &u8| {
        let id = font.glyph_id(char::from(byte));
        Letter {
            advance: font.h_advance_unscaled(id) / unit,
            outline: font
                .outline(id)
                .and_then(|outline| path(&outline.curves, 1.0 / unit)),
        }
    };
    ALPHABET.iter().map(letter).collect()
}

/// Converts a font's curves (y upwards) to a scaled path (y downwards).
fn path(curves: &[OutlineCurve], scale: f32) -> Option<Path> {
    let mut builder = PathBuilder::new();
    let mut last = None;
    for curve in curves {
        let (start, end) = match curve {
            OutlineCurve::Line(a, b) => (*a, *b),
            OutlineCurve::Quad(a, _, b) => (*a, *b),
            OutlineCurve::Cubic(a, _, _, b) => (*a, *b),
        };
        let x = |p: &ab_glyph::Point| p.x * scale;
        let y = |p: &ab_glyph::Point| -p.y * scale;
        if last != Some(start) {
            builder.move_to(x(&start), y(&start));
        }
        match curve {
            OutlineCurve::Line(_, b) => builder.line_to(x(b), y(b)),
            OutlineCurve::Quad(_, c, b) => builder.quad_to(x(c), y(c), x(b), y(b)),
            OutlineCurve::Cubic(_, c, d, b) => {
                builder.cubic_to(x(c), y(c), x(d), y(d), x(b), y(b));
            }
        }
        last = Some(end);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_font_has_every_letter() {
        for font in 0..FONTS {
            for byte in ALPHABET {
                let letter = letter(font, char::from(byte)).expect("a font that can be read");
                let bounds = letter.outline.as_ref().expect("an outline").bounds();
                assert!((0.3..2.0).contains(&letter.advance));
                assert!(
                    (0.9..1.35).contains(&bounds.height()),
                    "{}",
                    bounds.height()
                );
            }
        }
    }
}
