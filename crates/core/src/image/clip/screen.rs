//! The canvas of an animation, on which its layers are laid one after the other.
//!
//! In: layers, as their format has decoded them. Out: what is seen. This module must not know of any
//! format: GIF, APNG and WebP say the same three things of a layer in their own numbers.

use super::super::Picture;
use super::super::rgb::on_ground;

/// Red, green, blue, opacity.
const NOTHING: [u8; 4] = [0; 4];

/// Where a layer lies on the canvas, in pixels; what is outside is not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Place {
    pub(super) fn pixels(self) -> u64 {
        (self.width as u64).saturating_mul(self.height as u64)
    }
}

/// What becomes of what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blend {
    /// It shows through where the layer is transparent.
    Over,
    /// It is gone.
    Replace,
}

/// What becomes of a layer when the next one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// It stays.
    Keep,
    /// Its place becomes transparent, as browsers have it.
    Clear,
    /// What was there before comes back.
    Undo,
}

/// A layer.
pub(super) struct Layer {
    pub place: Place,
    /// `[height, width, 4]`; rows that are missing are not laid.
    pub rgba: Vec<u8>,
    pub blend: Blend,
    pub after: After,
    /// What the canvas shows around the first layer; of others it is not looked at.
    pub around: [u8; 4],
}

/// What is done before the next layer is laid.
enum Pending {
    Nothing,
    Clear(Place),
    /// The pixels that were there.
    Undo(Place, Vec<u8>),
}

/// The canvas.
pub(super) struct Screen {
    width: usize,
    height: usize,
    /// `[height, width, 4]`; empty before the first layer.
    rgba: Vec<u8>,
    pending: Pending,
}

impl Screen {
    /// Of a size that has been checked.
    pub(super) fn new((width, height): (u32, u32)) -> Self {
        Screen {
            width: width as usize,
            height: height as usize,
            rgba: Vec::new(),
            pending: Pending::Nothing,
        }
    }

    /// Lays a layer.
    pub(super) fn lay(&mut self, layer: &Layer) {
        if self.rgba.is_empty() {
            self.rgba = layer.around.repeat(self.width * self.height);
        }
        match std::mem::replace(&mut self.pending, Pending::Nothing) {
            Pending::Nothing => {}
            Pending::Clear(place) => self
                .rows(place)
                .for_each(|row| row.as_chunks_mut().0.fill(NOTHING)),
            Pending::Undo(place, before) => {
                let width = 4 * self.seen(place).width;
                let before = before.chunks_exact(width.max(1));
                self.rows(place)
                    .zip(before)
                    .for_each(|(row, before)| row.copy_from_slice(before));
            }
        }
        let place = layer.place;
        self.pending = match layer.after {
            After::Keep => Pending::Nothing,
            After::Clear => Pending::Clear(place),
            After::Undo => {
                let before: Vec<u8> = self
                    .rows(place)
                    .flat_map(|row| row.iter().copied())
                    .collect();
                Pending::Undo(place, before)
            }
        };
        let rows = layer.rgba.chunks_exact(4 * place.width.max(1));
        for (row, above) in self.rows(place).zip(rows) {
            let pixels = row.as_chunks_mut().0.iter_mut().zip(above.as_chunks().0);
            match layer.blend {
                Blend::Replace => pixels.for_each(|(below, above)| *below = *above),
                Blend::Over => pixels.for_each(|(below, above)| *below = over(*below, *above)),
            }
        }
    }

    /// The part of a place that is on the canvas.
    fn seen(&self, place: Place) -> Place {
        let width = self.width.saturating_sub(place.left).min(place.width);
        let height = self.height.saturating_sub(place.top).min(place.height);
        Place {
            width,
            height,
            ..place
        }
    }

    /// The rows of a place, as far as they are on the canvas.
    fn rows(&mut self, place: Place) -> impl Iterator<Item = &mut [u8]> {
        let seen = self.seen(place);
        let (from, to) = match seen.width {
            0 => (0, 0),
            width => (4 * seen.left, 4 * (seen.left + width)),
        };
        let rows = self.rgba.chunks_exact_mut(4 * self.width.max(1));
        let rows = rows.skip(seen.top).take(seen.height);
        rows.map(move |row| &mut row[from..to])
    }

    /// What is seen on a `ground` (red, green, blue).
    pub(super) fn picture(&self, ground: [u8; 3]) -> Picture {
        let mut rgb = Vec::with_capacity(self.rgba.len() / 4 * 3);
        for pixel in self.rgba.as_chunks().0 {
            rgb.extend(on_ground(*pixel, ground));
        }
        Picture {
            width: self.width,
            height: self.height,
            rgb,
            notices: Vec::new(),
        }
    }
}

/// A pixel over another one, neither multiplied with its opacity: of opacities a and b, the result has
/// a + b (1 - a), and of colours the mean by a and b (1 - a).
fn over(below: [u8; 4], above: [u8; 4]) -> [u8; 4] {
    match (above[3], below[3]) {
        (255, _) | (_, 0) => above,
        (0, _) => below,
        (a, b) => {
            // Both in parts of 255 * 255.
            let upper = 255 * u32::from(a);
            let lower = (255 - u32::from(a)) * u32::from(b);
            let all = upper + lower;
            let mixed = |channel: usize| {
                let (below, above) = (u32::from(below[channel]), u32::from(above[channel]));
                ((upper * above + lower * below + all / 2) / all) as u8 // at most 255
            };
            let opacity = (all + 127) / 255;
            [mixed(0), mixed(1), mixed(2), opacity as u8]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];

    fn layer(place: [usize; 4], colour: [u8; 4], blend: Blend, after: After) -> Layer {
        let [left, top, width, height] = place;
        Layer {
            place: Place {
                left,
                top,
                width,
                height,
            },
            rgba: colour.repeat(width * height),
            blend,
            after,
            around: NOTHING,
        }
    }

    /// A letter for each pixel.
    fn seen(screen: &Screen) -> String {
        let letter = |pixel: &[u8; 4]| match *pixel {
            RED => 'r',
            BLUE => 'b',
            NOTHING => '.',
            _ => '?',
        };
        screen.rgba.as_chunks().0.iter().map(letter).collect()
    }

    #[test]
    fn what_was_there_comes_back_goes_or_stays() {
        for (after, then) in [
            (After::Keep, "rbrrr."),
            (After::Clear, "rbr..."),
            (After::Undo, "rrrrr."),
        ] {
            let mut screen = Screen::new((3, 2));
            screen.lay(&layer([0, 0, 3, 1], RED, Blend::Over, After::Keep));
            screen.lay(&layer([0, 1, 2, 1], RED, Blend::Over, After::Keep));
            // With Keep and Undo of what lies on the canvas; the last layer is too large to be seen whole.
            screen.lay(&layer([1, 0, 1, 1], BLUE, Blend::Over, after));
            assert_eq!(seen(&screen), "rbrrr.", "{after:?}");
            screen.lay(&layer([7, 7, 9, 9], BLUE, Blend::Over, After::Keep));
            let then = match after {
                After::Clear => "r.rrr.",
                _ => then,
            };
            assert_eq!(seen(&screen), then, "{after:?}");
            screen.lay(&layer([2, 1, 9, 9], BLUE, Blend::Over, After::Undo));
            assert!(seen(&screen).ends_with('b'));
            screen.lay(&layer([0, 0, 0, 0], BLUE, Blend::Over, After::Keep));
            assert_eq!(seen(&screen), then, "{after:?}");
        }
    }

    #[test]
    fn a_layer_replaces_or_lets_through() {
        let mut screen = Screen::new((1, 1));
        screen.lay(&layer([0, 0, 1, 1], RED, Blend::Over, After::Keep));
        screen.lay(&layer(
            [0, 0, 1, 1],
            [0, 0, 255, 0],
            Blend::Over,
            After::Keep,
        ));
        assert_eq!(screen.picture([9; 3]).rgb, [255, 0, 0]);
        screen.lay(&layer(
            [0, 0, 1, 1],
            [0, 0, 255, 51],
            Blend::Over,
            After::Keep,
        ));
        assert_eq!(screen.picture([9; 3]).rgb, [204, 0, 51]);
        let faint = [0, 0, 255, 51];
        screen.lay(&layer([0, 0, 1, 1], faint, Blend::Replace, After::Keep));
        assert_eq!(screen.picture([0; 3]).rgb, [0, 0, 51]);
        assert_eq!(screen.picture([255; 3]).rgb, [204, 204, 255]);
        // Two faint ones: 0.2 + 0.2 * 0.8 of opacity.
        screen.lay(&layer([0, 0, 1, 1], faint, Blend::Over, After::Keep));
        assert_eq!(screen.rgba, [0, 0, 255, 92]);
    }
}
