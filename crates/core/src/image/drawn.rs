//! Detects whether a picture is a drawing like those of the scenes, or a photograph.
//!
//! In: a [`Picture`]. Out: yes or no, used only for a warning. This module must not know which
//! model is used. The colours below repeat those of `crates/cli/src/scenes`, which a browser build does not
//! include.

use super::Picture;

/// Cells along each side in which the picture is analysed.
const CELLS: usize = 64;
/// Most samples along a cell's side, which bounds the time for large pictures.
const MOST_SAMPLES: usize = 12;
/// Range of a background's channels, which also differ by at most [`MUTED_CHROMA`].
const MUTED: [f32; 2] = [125.0, 220.0];
const MUTED_CHROMA: f32 = 60.0;
/// Limit for the standard deviation within a cell of the background; the scenes' noise and JPEG
/// artefacts stay below it.
const SMOOTH: f32 = 9.0;
/// Largest distance of a background cell from the flat colour or gradient; stripes differ from
/// their mean by this much.
const NEAR_GROUND: f32 = 20.0;
/// Limit for the root mean square of these distances over the background.
const GROUND_RMS: f32 = 6.2;
/// Smallest share of the background in the picture.
const GROUND_SHARE: f32 = 0.55;
/// Largest share of cells that are neither background nor in a figure's colour: borders, letters,
/// shadows.
const OTHER_SHARE: f32 = 0.3;
/// Smallest share of cells in a figure's colour: an empty wall is no drawing.
const FIGURE_SHARE: f32 = 0.002;
/// Limits of a cell's distance from a figure's colour (Euclidean), and of its deviation.
const FIGURE_DISTANCE: f32 = 45.0;
const FIGURE_SMOOTH: f32 = 14.0;
/// The colours of figures: red, orange, yellow, green, blue, purple, black, white.
pub const FIGURES: [[f32; 3]; 8] = [
    [217.0, 38.0, 43.0],
    [247.0, 132.0, 22.0],
    [252.0, 215.0, 43.0],
    [38.0, 152.0, 68.0],
    [36.0, 92.0, 214.0],
    [134.0, 52.0, 168.0],
    [26.0, 27.0, 32.0],
    [248.0, 248.0, 245.0],
];

/// Whether a picture looks like a drawing of the scenes' kind: a smooth, muted background (flat, a
/// gradient or softly striped) over most of it, and figures in a few plain colours.
///
/// Photographs do not, nor do screenshots and drawings on white paper, which a small model trained
/// on the scenes does not know either.
///
/// Measured: of 2,400 scenes of both splits as PNG and as JPEG of quality 80, and of 1,200 of these
/// at 250 and at 800 px, each as PNG and as JPEG, none was classified as a photograph. Of 17
/// photographs in four sizes none was classified as a drawing; of 2,040 random parts of them
/// (astronaut, cat, coffee, gravel, cells, the moon, ...: from scikit-image and scikit-learn) two
/// were. The limits were chosen with these photographs, so expect slightly more errors on others: a
/// smooth grey wall with one red thing on it would count as a drawing.
pub fn looks_drawn(picture: &Picture) -> bool {
    // Too small for one pixel per cell: a thumbnail, in which no sign is legible.
    if picture.width < CELLS
        || picture.height < CELLS
        || picture.rgb.len() < picture.width * picture.height * 3
    {
        return false;
    }
    let cells: Vec<Cell> = (0..CELLS * CELLS).map(|at| Cell::of(picture, at)).collect();
    let share = |count: usize| count as f32 / cells.len() as f32;

    let mut ground: Vec<&Cell> = cells.iter().filter(|cell| cell.is_muted()).collect();
    let mut plane = Plane::through(&ground);
    // The first fit may include muted cells that are not background, such as a shadow; refit
    // without them.
    for _ in 0..2 {
        ground.retain(|cell| plane.distance(cell) < NEAR_GROUND);
        plane = Plane::through(&ground);
    }
    let figures = cells.iter().filter(|cell| cell.is_figure()).count();
    let other = 1.0 - share(ground.len()) - share(figures);
    share(ground.len()) >= GROUND_SHARE
        && plane.rms(&ground) <= GROUND_RMS
        && other <= OTHER_SHARE
        && share(figures) >= FIGURE_SHARE
}

/// One of [`CELLS`] by [`CELLS`] parts of a picture.
struct Cell {
    /// Its position: column and row, from -0.5 to 0.5.
    place: [f32; 2],
    /// Mean red, green, blue.
    mean: [f32; 3],
    /// The largest of the channels' standard deviations.
    deviation: f32,
}

impl Cell {
    fn of(picture: &Picture, at: usize) -> Self {
        let (row, column) = (at / CELLS, at % CELLS);
        let lines = |index: usize, side: usize| {
            let (first, end) = (index * side / CELLS, (index + 1) * side / CELLS);
            (first..end).step_by((end - first).div_ceil(MOST_SAMPLES))
        };
        let (mut count, mut sum, mut squares) = (0.0, [0.0; 3], [0.0; 3]);
        for y in lines(row, picture.height) {
            for x in lines(column, picture.width) {
                count += 1.0;
                for channel in 0..3 {
                    let value = f32::from(picture.rgb[(y * picture.width + x) * 3 + channel]);
                    sum[channel] += value;
                    squares[channel] += value * value;
                }
            }
        }
        let mean = sum.map(|sum| sum / count);
        let variance = |channel: usize| squares[channel] / count - mean[channel] * mean[channel];
        let place = |index: usize| index as f32 / (CELLS - 1) as f32 - 0.5;
        Cell {
            place: [place(column), place(row)],
            mean,
            deviation: (0..3).map(variance).fold(0.0, f32::max).sqrt(),
        }
    }

    fn is_muted(&self) -> bool {
        let least = self.mean.into_iter().fold(f32::MAX, f32::min);
        let most = self.mean.into_iter().fold(0.0, f32::max);
        least >= MUTED[0]
            && most <= MUTED[1]
            && most - least <= MUTED_CHROMA
            && self.deviation <= SMOOTH
    }

    fn is_figure(&self) -> bool {
        let distance = |colour: &[f32; 3]| {
            let square = |channel: usize| (self.mean[channel] - colour[channel]).powi(2);
            (0..3).map(square).sum::<f32>().sqrt()
        };
        let near = |colour| distance(colour) < FIGURE_DISTANCE;
        self.deviation <= FIGURE_SMOOTH && FIGURES.iter().any(near)
    }
}

/// A colour that changes linearly over the picture: `mean + slope . (place - centre)`.
struct Plane {
    centre: [f32; 2],
    mean: [f32; 3],
    slope: [[f32; 2]; 3],
}

impl Plane {
    /// The least-squares fit to the cells' colours.
    fn through(cells: &[&Cell]) -> Self {
        let count = cells.len().max(1) as f32;
        let average = |value: &dyn Fn(&Cell) -> f32| {
            cells.iter().map(|cell| value(cell)).sum::<f32>() / count
        };
        let centre = [0, 1].map(|axis| average(&|cell| cell.place[axis]));
        let mean = [0, 1, 2].map(|channel| average(&|cell| cell.mean[channel]));
        let off = |cell: &Cell, axis: usize| cell.place[axis] - centre[axis];
        let moment = |a: usize, b: usize| average(&|cell| off(cell, a) * off(cell, b));
        let [xx, xy, yy] = [moment(0, 0), moment(0, 1), moment(1, 1)];
        // Cells in one line, or no cells, do not determine a slope; this avoids a division by zero.
        let determinant = (xx * yy - xy * xy).max(1e-6);
        let slope = [0, 1, 2].map(|channel| {
            let along = |axis: usize| {
                average(&|cell| off(cell, axis) * (cell.mean[channel] - mean[channel]))
            };
            let [x, y] = [along(0), along(1)];
            [
                (x * yy - y * xy) / determinant,
                (y * xx - x * xy) / determinant,
            ]
        });
        Plane {
            centre,
            mean,
            slope,
        }
    }

    fn offsets(&self, cell: &Cell) -> [f32; 3] {
        let [x, y] = [0, 1].map(|axis| cell.place[axis] - self.centre[axis]);
        [0, 1, 2].map(|channel| {
            let [slope_x, slope_y] = self.slope[channel];
            cell.mean[channel] - self.mean[channel] - slope_x * x - slope_y * y
        })
    }

    /// The largest of the channels' differences from a cell's colour.
    fn distance(&self, cell: &Cell) -> f32 {
        let offsets = self.offsets(cell);
        offsets.into_iter().map(f32::abs).fold(0.0, f32::max)
    }

    /// The root mean square of the differences, over cells and channels.
    fn rms(&self, cells: &[&Cell]) -> f32 {
        let square = |cell: &&Cell| self.offsets(cell).map(|offset| offset * offset);
        let sum: f32 = cells.iter().flat_map(square).sum();
        (sum / (3 * cells.len().max(1)) as f32).sqrt()
    }
}
