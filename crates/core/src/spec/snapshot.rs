//! A picture as a snapshot and patches (VLSA, section 3.1 of its paper): all of it is computed from the picture's size.
//!
//! The paper pads the picture to whole patches of the tower's size, cuts it into these, and reduces it to one of them.
//! It states no more, and no program was published: what is a choice of ours is said at the field.

use super::anyres::MOST_TILES;
use super::padding::Padding;
use super::view::View;

/// How pictures become a snapshot and patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotSpec {
    /// P: the side of the snapshot and of a patch in pixels.
    pub view_px: usize,
    /// A picture with more patches is first shrunk until it has no more than these (ours; the paper names no limit).
    pub max_patches: usize,
    /// Whether the picture is in the middle of the padding, an odd pixel below or on the right (ours); else it is in the
    /// upper left corner.
    pub is_centred: bool,
    /// The padding's colour (ours: [`crate::image::PAD_COLOUR`]): red, green, blue.
    pub colour: [u8; 3],
    /// Whether the snapshot shows the padding too (ours); else it shows the picture alone.
    pub of_padded: bool,
}

/// The patches of one picture. Sizes are height and width in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The picture's own size, or what it is shrunk to.
    pub resized_px: [usize; 2],
    /// The size with the padding: whole patches.
    pub padded_px: [usize; 2],
    /// What is around the picture.
    pub padding: Padding,
    /// Rows of patches.
    pub rows: usize,
    /// Patches in a row.
    pub columns: usize,
    /// Whether the only patch has the same pixels as the snapshot, so that one pass serves for both.
    pub is_patch: bool,
}

impl SnapshotSpec {
    /// Whether pictures can be cut so.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence.
    pub fn check(&self) -> Result<(), String> {
        match self.max_patches {
            _ if self.view_px == 0 => Err("patches have no pixels".into()),
            1..=MOST_TILES => Ok(()),
            count => Err(format!(
                "at most {count} patches are asked for; it must be 1 to {MOST_TILES}"
            )),
        }
    }

    /// The patches of a picture of `size_px`, height and width, in doubles.
    ///
    /// Every size has some, and nothing overflows: a side of 0 pixels counts as 1, and so do a P and a `max_patches` of
    /// 0; a side that is shrunk to nothing has one pixel.
    pub fn snapshot(&self, size_px: [usize; 2]) -> Snapshot {
        let view_px = self.view_px.max(1);
        let size_px = size_px.map(|side| side.max(1));
        let patches = |size_px: [usize; 2]| size_px.map(|side| side.div_ceil(view_px));
        let [rows, columns] = patches(size_px);
        let resized_px = match rows.checked_mul(columns) {
            Some(count) if count <= self.max_patches.max(1) => size_px,
            _ => {
                let scale = self.scale(size_px.map(|side| side as f64));
                size_px.map(|side| ((side as f64 * scale) as usize).max(1)) // truncates, and saturates
            }
        };
        let [rows, columns] = patches(resized_px);
        let padded_px = [rows, columns].map(|count| count.saturating_mul(view_px));
        let padding = match self.is_centred {
            true => Padding::around(resized_px, padded_px),
            false => Padding::after(resized_px, padded_px),
        };
        Snapshot {
            resized_px,
            padded_px,
            padding,
            rows,
            columns,
            is_patch: [rows, columns] == [1, 1] && (self.of_padded || resized_px == padded_px),
        }
    }

    /// The largest factor by which a picture that has too many patches is shrunk to `rows * columns <= max_patches`:
    /// `min(rows P / H, columns P / W)`.
    fn scale(&self, [height, width]: [f64; 2]) -> f64 {
        let (view, most) = (self.view_px.max(1) as f64, self.max_patches.max(1));
        let by_rows = |rows: usize| rows as f64 * view / height;
        let by_columns = |rows: usize| (most / rows) as f64 * view / width;
        // More rows allow less of a shrinking by the height and leave fewer columns, so that the best is where the two
        // cross: the last number of rows by which the height decides, or the next one.
        let (mut before, mut after) = (0, most.saturating_add(1));
        while after - before > 1 {
            let rows = before + (after - before) / 2;
            match rows <= most && by_rows(rows) <= by_columns(rows) {
                true => before = rows,
                false => after = rows,
            }
        }
        let candidates = [before, after].into_iter();
        candidates
            .filter(|rows| (1..=most).contains(rows))
            .map(|rows| by_rows(rows).min(by_columns(rows)))
            .fold(0.0, f64::max)
    }

    /// Height and width of a picture with the most patches, as near to a square as they can be: what no picture exceeds.
    pub fn largest_px(&self) -> [usize; 2] {
        let most = self.max_patches.clamp(1, MOST_TILES);
        let rows = (1..=most).rfind(|rows| rows * rows <= most && most.is_multiple_of(*rows));
        let rows = rows.unwrap_or(1);
        [rows, most / rows].map(|count| count.saturating_mul(self.view_px.max(1)))
    }
}

impl Snapshot {
    /// Passes of the tower: the snapshot and the patches, each view once.
    pub fn passes(&self) -> usize {
        match self.is_patch {
            true => 1,
            false => self.rows.saturating_mul(self.columns).saturating_add(1),
        }
    }

    /// Where the patches are in the padded picture, row by row, also if the snapshot is the only one.
    pub fn patch_views(&self) -> impl Iterator<Item = View> + use<> {
        View::tiles([self.rows, self.columns], self.padded_px)
    }
}
