//! Converts the coefficients of a JPEG to rows of RGB: inverse DCT, upsampling of subsampled
//! channels, colour conversion; each bit for bit as in libjpeg and Pillow.
//!
//! In: coefficients, one row of units at a time. Out: RGB. The samples of three rows of units are
//! kept, since upsampling needs the neighbouring rows.

use super::colours::Colours;
use super::header::{Component, Frame};
use super::idct;
use super::scan::Coefficients;

/// Rows of units whose samples are kept.
const HELD: usize = 3;

/// The output picture and the state of its conversion.
pub(super) struct Output<'a> {
    frame: &'a Frame,
    colours: Colours,
    planes: Vec<Plane>,
    /// For each component: one row of samples at the picture's width, plus padding.
    lines: Vec<Vec<u8>>,
    rgb: Vec<u8>,
}

/// The samples of one component.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
    /// Rows of samples in a row of units.
    unit_high: usize,
}

impl Plane {
    /// Row `y` of the component; rows of units that are no longer kept are not available.
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y % (HELD * self.unit_high) * self.stride..][..self.stride]
    }
}

impl<'a> Output<'a> {
    pub(super) fn new(frame: &'a Frame, colours: Colours) -> Self {
        let plane = |component: &Component| {
            let (stride, unit_high) = (8 * component.blocks_wide, 8 * component.v);
            Plane {
                samples: vec![0; stride * unit_high * HELD],
                stride,
                unit_high,
            }
        };
        let line = vec![0; frame.units_wide * frame.max_h * 8];
        Output {
            frame,
            colours,
            planes: frame.components.iter().map(plane).collect(),
            lines: vec![line; frame.components.len()],
            rgb: vec![0; 3 * frame.width * frame.height],
        }
    }

    /// Adds the next row of units, and writes the one before, whose neighbours are now complete.
    pub(super) fn row(&mut self, unit_row: usize, coefficients: &[Coefficients]) {
        let components = self.frame.components.iter().zip(coefficients);
        for ((component, coefficients), plane) in components.zip(&mut self.planes) {
            let Some(quantisers) = &component.quantisers else {
                continue; // every component has had its scan by now
            };
            for row in unit_row * component.v..(unit_row + 1) * component.v {
                let from = 8 * row % (HELD * plane.unit_high) * plane.stride;
                let rows = &mut plane.samples[from..][..8 * plane.stride];
                for (column, block) in coefficients.row(row).iter().enumerate() {
                    idct::samples(block, quantisers, &mut rows[8 * column..], plane.stride);
                }
            }
        }
        if let Some(before) = unit_row.checked_sub(1) {
            self.write(before);
        }
    }

    /// Writes the last row of units, and returns the picture.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.write(self.frame.units_high - 1);
        self.rgb
    }

    fn write(&mut self, unit_row: usize) {
        let Frame { max_h, max_v, .. } = *self.frame;
        let high = 8 * max_v;
        for y in unit_row * high..((unit_row + 1) * high).min(self.frame.height) {
            let parts = self.frame.components.iter().zip(&self.planes);
            for ((component, plane), line) in parts.zip(&mut self.lines) {
                enlarge(component, plane, (max_h, max_v), y, line);
            }
            let lines: Vec<&[u8]> = self.lines.iter().map(|l| &l[..self.frame.width]).collect();
            let row = 3 * self.frame.width;
            self.colours.write(&lines, &mut self.rgb[y * row..][..row]);
        }
    }
}

/// One row of a component at the picture's width. Channels at half the width or height are
/// interpolated ("fancy" upsampling: 3/4 of the nearer sample, 1/4 of the further one); others, and
/// very narrow ones, are repeated.
fn enlarge(
    component: &Component,
    plane: &Plane,
    (max_h, max_v): (usize, usize),
    y: usize,
    line: &mut [u8],
) {
    let (across, down) = (max_h / component.h, max_v / component.v);
    let near_y = y / down;
    let near = &plane.row(near_y)[..component.width];
    // The neighbouring row on the far side of the sample; at the picture's edge the same row.
    let far = || {
        let far_y = match y % 2 {
            0 => near_y.saturating_sub(1),
            _ => (near_y + 1).min(component.height - 1),
        };
        &plane.row(far_y)[..component.width]
    };
    match (across, down) {
        (1, 1) => line[..near.len()].copy_from_slice(near),
        (2, 1) if near.len() > 2 => twice_as_wide(near, line),
        (1, 2) => {
            let bias = 1 + (y % 2) as u16;
            for ((out, &near), &far) in line.iter_mut().zip(near).zip(far()) {
                *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
            }
        }
        (2, 2) if near.len() > 2 => twice_as_large(near, far(), line),
        _ => {
            for (out, &sample) in line.chunks_exact_mut(across).zip(near) {
                out.fill(sample);
            }
        }
    }
}

/// Upsamples at least two samples to twice the width.
fn twice_as_wide(near: &[u8], line: &mut [u8]) {
    let mixed = |near: u8, far: u8, bias: u16| (3 * u16::from(near) + u16::from(far) + bias) >> 2;
    let last = near.len() - 1;
    line[0] = near[0];
    for (pair, &[left, right]) in line[1..]
        .as_chunks_mut()
        .0
        .iter_mut()
        .zip(near.array_windows())
    {
        *pair = [mixed(left, right, 2) as u8, mixed(right, left, 1) as u8];
    }
    line[2 * last + 1] = near[last];
}

/// Upsamples at least two samples of each row to twice the width and height.
fn twice_as_large(near: &[u8], far: &[u8], line: &mut [u8]) {
    let sum = |(&near, &far): (&u8, &u8)| 3 * u16::from(near) + u16::from(far);
    let mut sums = near.iter().zip(far).map(sum);
    let mut left = sums.next().unwrap_or_default();
    line[0] = ((4 * left + 8) >> 4) as u8;
    for (pair, right) in line[1..].as_chunks_mut().0.iter_mut().zip(sums) {
        *pair = [(3 * left + right + 7) >> 4, (3 * right + left + 8) >> 4].map(|mixed| mixed as u8);
        left = right;
    }
    line[2 * near.len() - 1] = ((4 * left + 7) >> 4) as u8;
}

impl Colours {
    /// Converts a row of channels to pixels.
    fn write(self, lines: &[&[u8]], rgb: &mut [u8]) {
        let pixels = rgb.as_chunks_mut().0.iter_mut();
        match (self, lines) {
            (Colours::Grey, [grey]) => {
                for (pixel, &grey) in pixels.zip(*grey) {
                    *pixel = [grey; 3];
                }
            }
            (Colours::Rgb, [red, green, blue]) => {
                for (((pixel, &red), &green), &blue) in pixels.zip(*red).zip(*green).zip(*blue) {
                    *pixel = [red, green, blue];
                }
            }
            (Colours::YCbCr, [y, cb, cr]) => {
                for (((pixel, &y), &cb), &cr) in pixels.zip(*y).zip(*cb).zip(*cr) {
                    *pixel = rgb_of(y, cb, cr);
                }
            }
            // Ink is stored inverted, as in Adobe's files: 255 is no ink. Pillow reads all files
            // this way.
            (Colours::Cmyk, [c, m, y, key]) => {
                for ((((pixel, &c), &m), &y), &k) in pixels.zip(*c).zip(*m).zip(*y).zip(*key) {
                    *pixel = printed([c, m, y], k);
                }
            }
            (Colours::Ycck, [y, cb, cr, key]) => {
                for ((((pixel, &y), &cb), &cr), &k) in pixels.zip(*y).zip(*cb).zip(*cr).zip(*key) {
                    *pixel = printed(rgb_of(y, cb, cr).map(|light| 255 - light), k);
                }
            }
            _ => {} // a frame has as many components as its colour space
        }
    }
}

/// libjpeg's YCbCr conversion (`jdcolor.c`), in fixed point with 16 bits of fraction.
#[inline(always)]
fn rgb_of(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const fn fixed(value: f64) -> i32 {
        (value * 65536.0 + 0.5) as i32
    }
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((fixed(1.40200) * cr + HALF) >> 16);
    let green = y + ((-fixed(0.34414) * cb - fixed(0.71414) * cr + HALF) >> 16);
    let blue = y + ((fixed(1.77200) * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}

/// Pillow's conversion of inverted CMYK (`cmyk2rgb`): the light that passes each ink, times that
/// which passes black.
#[inline(always)]
fn printed(light: [u8; 3], key: u8) -> [u8; 3] {
    let key = i32::from(key);
    light.map(|light| {
        let product = (255 - i32::from(light)) * key + 128;
        let taken = ((product >> 8) + product) >> 8;
        (key - taken).clamp(0, 255) as u8
    })
}
