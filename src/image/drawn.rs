//! Is a picture a drawing of the scenes' kind, or a photograph?
//!
//! In: a [`Picture`]. Out: yes or no, for a warning and for nothing else. It must not know which model
//! asks. The colours below are the scenes' own (`src/scenes`), of which a build for the browser has
//! nothing else.

use super::Picture;

/// The picture is looked at in this many cells along each side.
const CELLS: usize = 64;
/// At most this many samples along a cell's side, so that a large picture takes no longer.
const MOST_SAMPLES: usize = 12;
/// A background's channels lie in between, and no further apart than [`MUTED_CHROMA`].
const MUTED: [f32; 2] = [125.0, 220.0];
const MUTED_CHROMA: f32 = 60.0;
/// Standard deviation within a cell of the background; the scenes' noise and a JPEG's stay below.
const SMOOTH: f32 = 9.0;
/// A background is one colour or a gradient, give or take this: stripes differ from their mean.
const NEAR_GROUND: f32 = 20.0;
/// The same as a root mean square over the background.
const GROUND_RMS: f32 = 6.2;
/// The background's part of the picture, at least.
const GROUND_SHARE: f32 = 0.55;
/// What is neither background nor of a figure's colour, at most: borders, letters, shadows.
const OTHER_SHARE: f32 = 0.3;
/// What has a figure's colour, at least: an empty wall is no drawing.
const FIGURE_SHARE: f32 = 0.002;
/// How far a cell may be from a figure's colour (Euclidean), and how rough.
const FIGURE_DISTANCE: f32 = 45.0;
const FIGURE_SMOOTH: f32 = 14.0;
/// The colours of figures: red, orange, yellow, green, blue, purple, black, white.
const FIGURES: [[f32; 3]; 8] = [
    [217.0, 38.0, 43.0],
    [247.0, 132.0, 22.0],
    [252.0, 215.0, 43.0],
    [38.0, 152.0, 68.0],
    [36.0, 92.0, 214.0],
    [134.0, 52.0, 168.0],
    [26.0, 27.0, 32.0],
    [248.0, 248.0, 245.0],
];

/// Whether a picture looks like a drawing of the scenes' kind: a smooth, muted background, flat or a
/// gradient or softly striped, that covers most of it, and figures in a few plain colours.
///
/// Photographs do not, and neither do screenshots and drawings on white paper: a small model that has
/// learnt the scenes knows nothing of these either.
///
/// Measured: of 2,400 scenes of both splits as PNG and as JPEG of quality 80, and of 1,200 of these at 250
/// and at 800 px, each as PNG and as JPEG, none was called a photograph. Of 17 photographs in four sizes
/// none was called a drawing, of 2,040 random parts of them (astronaut, cat, coffee, gravel, cells, the
/// moon, ...: from scikit-image and scikit-learn) two were. The limits were chosen with the photographs in
/// view, so expect a little less of others: a smooth grey wall with one red thing on it would pass.
pub fn looks_drawn(picture: &Picture) -> bool {
    // Too small for a cell to hold a pixel: a thumbnail, of which no sign could be read.
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
    // The first plane may lean towards what is muted and no background, such as a shadow.
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
    /// Where: column and row, from -0.5 to 0.5.
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

/// A colour that changes evenly over the picture: `mean + slope . (place - centre)`.
struct Plane {
    centre: [f32; 2],
    mean: [f32; 3],
    slope: [[f32; 2]; 3],
}

impl Plane {
    /// The one with the least squared distance to the cells' colours.
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
        // Cells in one line, or none, have no slope across.
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

#[cfg(all(test, feature = "scenes"))]
mod tests {
    #[test]
    fn the_figures_have_the_scenes_colours() {
        let named = crate::scenes::Colour::ALL.map(|colour| colour.rgb().map(f32::from));
        assert_eq!(named, super::FIGURES);
    }
}
