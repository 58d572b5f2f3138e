//! A bar chart on an off-white panel.

use rand_chacha::ChaCha8Rng;

use super::dice;
use super::palette::Colour;

/// Width of a panel, px.
pub(super) const PANEL_WIDTH_PX: f32 = 104.0;
/// Height of a panel, px: the tallest bar and a margin of 10 above and below.
pub(super) const PANEL_HEIGHT_PX: f32 = 95.0;
/// From the panel's edge to the plot, px.
pub(super) const PANEL_MARGIN_PX: f32 = 10.0;
/// Heights of any two bars differ by at least this many px, so that "taller" is visible.
const LEAST_DIFFERENCE_PX: f32 = 12.0;
const BAR_HEIGHTS_PX: [f32; 2] = [15.0, 75.0];

/// A bar chart; its edges are in px of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Three to five bars from left to right, of distinct colours, none white.
    pub bars: Vec<Bar>,
    /// The panel's left edge.
    pub left: f32,
    /// The panel's top edge.
    pub top: f32,
    /// The panel's right edge.
    pub right: f32,
    /// The panel's bottom edge.
    pub bottom: f32,
}

/// A bar; its edges are in px of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// Never white, which is the panel's colour.
    pub colour: Colour,
    /// Left edge.
    pub left: f32,
    /// Upper edge.
    pub top: f32,
    /// Right edge.
    pub right: f32,
    /// Lower edge, on the axis.
    pub bottom: f32,
}

impl Bar {
    /// Height of the tallest bars, in steps.
    pub const MOST_STEPS: usize = 9;

    /// The height in px.
    pub fn height_px(&self) -> f32 {
        self.bottom - self.top
    }

    /// The height in steps of 8 px, different for all bars of a chart; at least 1.
    pub fn height_steps(&self) -> usize {
        ((self.height_px() / 8.0) as usize).clamp(1, Self::MOST_STEPS)
    }
}

impl Chart {
    /// A random chart, with the panel's centre at 0, 0.
    pub(super) fn random(rng: &mut ChaCha8Rng) -> Self {
        let count = 3 + dice::below(rng, 3);
        let mut colours = Colour::ALL.to_vec();
        colours.retain(|&colour| colour != Colour::White);
        dice::shuffle(rng, &mut colours);
        let gap = dice::between(rng, 4.0, 5.0);
        // Five bars of 12 px and four gaps of 5 px exactly fill the plot; fewer bars can be wider.
        let plot = PANEL_WIDTH_PX - 2.0 * PANEL_MARGIN_PX - 4.0;
        let room = (plot - gap * (count - 1) as f32) / count as f32;
        let width = dice::between(rng, 12.0, room.min(18.0));
        let heights = heights(rng, count);
        let used = width * count as f32 + gap * (count - 1) as f32;
        let bottom = PANEL_HEIGHT_PX / 2.0 - PANEL_MARGIN_PX;
        let mut left = -used / 2.0;
        let mut bars = Vec::with_capacity(count);
        for (colour, height) in colours.into_iter().zip(heights) {
            bars.push(Bar {
                colour,
                left,
                top: bottom - height,
                right: left + width,
                bottom,
            });
            left += width + gap;
        }
        Chart {
            bars,
            left: -PANEL_WIDTH_PX / 2.0,
            top: -PANEL_HEIGHT_PX / 2.0,
            right: PANEL_WIDTH_PX / 2.0,
            bottom: PANEL_HEIGHT_PX / 2.0,
        }
    }

    /// The same chart, moved by x px to the right and y px down.
    pub(super) fn moved(mut self, [x, y]: [f32; 2]) -> Self {
        for bar in &mut self.bars {
            bar.left += x;
            bar.right += x;
            bar.top += y;
            bar.bottom += y;
        }
        self.left += x;
        self.right += x;
        self.top += y;
        self.bottom += y;
        self
    }
}

/// Heights in random order, each pair at least [`LEAST_DIFFERENCE_PX`] apart: sorted random
/// numbers, then each raised by its rank times that difference.
fn heights(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    let [low, high] = BAR_HEIGHTS_PX;
    let free = high - low - LEAST_DIFFERENCE_PX * count.saturating_sub(1) as f32;
    let mut heights: Vec<f32> = (0..count).map(|_| dice::between(rng, 0.0, free)).collect();
    heights.sort_by(f32::total_cmp);
    for (place, height) in heights.iter_mut().enumerate() {
        *height += low + LEAST_DIFFERENCE_PX * place as f32;
    }
    dice::shuffle(rng, &mut heights);
    heights
}
