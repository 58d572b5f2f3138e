//! Backgrounds: muted tones that are far from every named colour.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::dice;

/// Red, green, blue of the backgrounds' tones. Each is at least 80 (Euclidean, of at most 441) away
/// from each [`Colour`](super::Colour), so that every figure is visible.
const TONES: [[u8; 3]; 12] = [
    [164, 187, 203], // sky
    [206, 189, 163], // sand
    [163, 190, 171], // sage
    [206, 173, 168], // rose
    [186, 178, 203], // lilac
    [148, 178, 180], // lagoon
    [178, 181, 186], // stone
    [199, 181, 191], // mauve
    [142, 160, 178], // slate
    [168, 178, 152], // olive
    [190, 170, 154], // clay
    [165, 161, 184], // dusk
];

/// How a background is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// One colour.
    Flat,
    /// From one tone to the other, along a direction.
    Gradient,
    /// Stripes of both tones with soft borders.
    Stripes,
    /// One tone with fine noise.
    Noise,
}

/// A background.
#[derive(Debug, Clone, PartialEq)]
pub struct Background {
    /// How it is filled.
    pub pattern: Pattern,
    /// Red, green, blue.
    pub first: [u8; 3],
    /// Red, green, blue; unused by [`Pattern::Flat`] and [`Pattern::Noise`].
    pub second: [u8; 3],
    /// Unit vector (x, y) of the gradient's direction, or of the direction across the stripes.
    pub direction: [f32; 2],
    /// Width of a pair of stripes, px.
    pub period_px: f32,
    /// Seed of the noise.
    pub noise_seed: u32,
}

impl Background {
    /// A random background.
    pub(super) fn random(rng: &mut ChaCha8Rng) -> Self {
        const PATTERNS: [Pattern; 4] = [
            Pattern::Flat,
            Pattern::Gradient,
            Pattern::Stripes,
            Pattern::Noise,
        ];
        const DIRECTIONS: [[f32; 2]; 6] = [
            [1.0, 0.0],
            [0.0, 1.0],
            [0.7, 0.7],
            [0.7, -0.7],
            [0.9, 0.4],
            [0.4, -0.9],
        ];
        let pattern = PATTERNS[dice::below(rng, 4)];
        let first = TONES[dice::below(rng, TONES.len())];
        let other = TONES[dice::below(rng, TONES.len())];
        let direction = DIRECTIONS[dice::below(rng, 6)];
        // Stripes stay near their first tone, so that they do not hide the figures.
        let share = if pattern == Pattern::Stripes {
            0.3
        } else {
            1.0
        };
        Background {
            pattern,
            first,
            second: std::array::from_fn(|c| mix(first[c], other[c], share) as u8),
            direction,
            period_px: dice::between(rng, 26.0, 64.0),
            noise_seed: rng.next_u32(),
        }
    }

    /// Paints `[side, side, 4]` bytes (RGBA), opaque.
    pub(super) fn paint(&self, side_px: u32, rgba: &mut [u8]) {
        let side = side_px as f32;
        let [dx, dy] = self.direction;
        // The range of the projection on the direction, so that the gradient spans the picture.
        let low = side * (dx.min(0.0) + dy.min(0.0));
        let high = side * (dx.max(0.0) + dy.max(0.0));
        let mut noise = self.noise_seed;
        let amplitude = if self.pattern == Pattern::Noise {
            11
        } else {
            3
        };
        for (at, pixel) in rgba.chunks_exact_mut(4).enumerate() {
            let (x, y) = ((at as u32 % side_px) as f32, (at as u32 / side_px) as f32);
            let along = x * dx + y * dy;
            let share = match self.pattern {
                Pattern::Flat | Pattern::Noise => 0.0,
                Pattern::Gradient => (along - low) / (high - low),
                Pattern::Stripes => {
                    let turns = along / self.period_px;
                    let phase = turns - turns.floor();
                    // A triangle wave, steepened: flat stripes with borders of a few pixels.
                    let wave = 1.0 - (2.0 * phase - 1.0).abs();
                    ((wave - 0.5) * 5.0 + 0.5).clamp(0.0, 1.0)
                }
            };
            // A linear congruential generator: simple, fast, and good enough for noise.
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = ((noise >> 16) % amplitude) as f32 - (amplitude - 1) as f32 / 2.0;
            let rgb = std::array::from_fn(|c| {
                (mix(self.first[c], self.second[c], share) + grain + 0.5) as u8
            });
            let [red, green, blue]: [u8; 3] = rgb;
            pixel.copy_from_slice(&[red, green, blue, 255]);
        }
    }
}

/// From `a` (share 0) to `b` (share 1).
fn mix(a: u8, b: u8, share: f32) -> f32 {
    f32::from(a) + (f32::from(b) - f32::from(a)) * share
}

#[cfg(test)]
mod tests {
    use super::super::Colour;
    use super::*;

    #[test]
    fn no_tone_is_near_a_named_colour() {
        // Mixtures lie between two tones, so checking the midpoints of all pairs covers gradients
        // too.
        for a in TONES {
            for b in TONES {
                let tone: [f32; 3] = std::array::from_fn(|c| mix(a[c], b[c], 0.5));
                for colour in Colour::ALL {
                    let rgb = colour.rgb();
                    let square: f32 = (0..3).map(|c| (tone[c] - f32::from(rgb[c])).powi(2)).sum();
                    assert!(
                        square.sqrt() > 80.0,
                        "{tone:?} and {colour:?}: {}",
                        square.sqrt()
                    );
                }
            }
        }
    }
}
