//! The grid of tiles that a picture becomes (Idefics3, SmolVLM): computed from its size, before any pixel is read.

use super::detail::Detail;
use super::run::{Run, Runs};
use super::view::View;

/// The longest side of the first resize, whatever a configuration asks for: `MAX_IMAGE_SIZE` of transformers.
const MOST_PX: usize = 4096;

/// Around each run of visual tokens in a prompt.
const FAKE: &str = "<fake_token_around_image>";
/// In front of the whole picture's tokens.
const GLOBAL: &str = "<global-img>";

/// How pictures become tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSpec {
    /// L: the longer side after the first resize, in pixels (`size.longest_edge`). More tiles, and time, the longer.
    pub longest_px: usize,
    /// T: a tile's side in pixels (`max_image_size.longest_edge`), the tower's `image_size`.
    pub tile_px: usize,
    /// Whether pictures are divided (`do_image_splitting`); else each is one tile.
    pub splits: bool,
}

/// The grid of one picture. Sizes are height and width in pixels, as a [`super::Layout`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Size after the first resize: the longer side is L, smaller pictures are enlarged.
    pub first_px: [usize; 2],
    /// Size after the second resize: whole tiles. The aspect ratio is kept only roughly; nothing is padded.
    pub second_px: [usize; 2],
    /// Rows of tiles R; 0 if the whole picture is the only view.
    pub rows: usize,
    /// Tiles in a row C; 0 if the whole picture is the only view.
    pub columns: usize,
}

impl GridSpec {
    /// The grid of a picture of `[height, width]` pixels, in doubles and in the order of operations of transformers'
    /// `Idefics3ImageProcessor` (`get_resize_output_image_size`, `resize_for_vision_encoder`, `split_images`): integers
    /// would give other sizes for some pictures.
    ///
    /// Every size has a grid, and nothing overflows: a side of 0 pixels counts as 1, and so do an L and a T of 0; a
    /// side that is rounded to nothing has one pixel, or one tile (transformers fails there). L and T alone bound the
    /// number of tiles, however large the picture is.
    pub fn grid(&self, size_px: [usize; 2]) -> Grid {
        let tile = self.tile_px.max(1);
        let first_px = self.first_px(size_px.map(|side| side.max(1)));
        let second_px = match self.splits {
            true => whole_tiles(first_px, tile),
            false => [tile, tile],
        };
        let is_split = second_px != [tile, tile];
        let [rows, columns] = second_px.map(|side| if is_split { side / tile } else { 0 });
        Grid {
            first_px,
            second_px,
            rows,
            columns,
        }
    }

    /// The same with another L, a multiple of T up to the released one, if a picture of `size_px` is to be looked at as
    /// closely as `detail` says. `tokens`: visual tokens of a view.
    pub fn at(&self, detail: Detail, size_px: [usize; 2], tokens: usize) -> Self {
        let tile = self.tile_px.max(1);
        let with = |longest_px| GridSpec {
            longest_px,
            ..*self
        };
        let Some(most) = detail.most_tokens() else {
            return match detail {
                Detail::Low => with(tile.min(self.longest_px)),
                _ => *self,
            };
        };
        let smaller = (1..=self.longest_px / tile)
            .rev()
            .map(|tiles| with(tiles * tile));
        let fits = |spec: &GridSpec| spec.grid(size_px).tiles().saturating_mul(tokens) <= most;
        let mut all = std::iter::once(*self).chain(smaller);
        all.find(fits)
            .unwrap_or_else(|| with(tile.min(self.longest_px)))
    }

    /// The longer side becomes L, the other one even.
    fn first_px(&self, size_px: [usize; 2]) -> [usize; 2] {
        let (shape, longest) = (Shape::of(size_px), self.longest_px.max(1));
        let shorter = shape.shorter(longest);
        let size_px = shape.size(longest, shorter.saturating_add(shorter % 2).max(1));
        if size_px.iter().all(|&side| side <= MOST_PX) {
            return size_px;
        }
        let shape = Shape::of(size_px);
        shape.size(MOST_PX, shape.shorter(MOST_PX).max(1))
    }
}

impl Grid {
    /// Views of the picture, each of a tile's size: R C tiles and the whole, or the whole alone.
    pub fn tiles(&self) -> usize {
        self.rows.saturating_mul(self.columns).saturating_add(1)
    }

    /// What stands for the picture in a prompt if each view has `tokens` visual tokens: each tile by its row and column,
    /// counted from 1, then the whole (transformers' `get_image_prompt_string`).
    pub fn runs(&self, tokens: usize) -> Vec<Run> {
        let mut runs = Runs::default();
        for row in 1..=self.rows {
            for column in 1..=self.columns {
                runs.words(&format!("{FAKE}<row_{row}_col_{column}>"));
                runs.tokens(tokens);
            }
            runs.words("\n");
        }
        if self.rows > 0 {
            runs.words("\n");
        }
        runs.words(&format!("{FAKE}{GLOBAL}"));
        runs.tokens(tokens);
        runs.words(FAKE);
        runs.into_list()
    }

    /// Where the R C tiles are in the picture after the second resize, row by row; none if the whole picture is the
    /// only view. The last view is resized from all of it, and is not among them.
    pub fn split_views(&self) -> impl Iterator<Item = View> + use<> {
        View::tiles([self.rows, self.columns], self.second_px)
    }
}

/// A picture's sides relative to each other.
struct Shape {
    /// Width / height.
    ratio: f64,
    /// Whether the width is the longer side; so it is of a square.
    is_wide: bool,
}

impl Shape {
    /// Of `[height, width]`, neither 0.
    fn of([height, width]: [usize; 2]) -> Self {
        Shape {
            ratio: width as f64 / height as f64,
            is_wide: width >= height,
        }
    }

    /// The shorter side if the longer one is `longer`, truncated; 0 is possible.
    fn shorter(&self, longer: usize) -> usize {
        let longer = longer as f64;
        let shorter = if self.is_wide {
            longer / self.ratio
        } else {
            longer * self.ratio
        };
        shorter as usize // truncates, and saturates
    }

    /// `[height, width]`.
    fn size(&self, longer: usize, shorter: usize) -> [usize; 2] {
        match self.is_wide {
            true => [shorter, longer],
            false => [longer, shorter],
        }
    }
}

/// The longer side enlarged to whole tiles, then the other one by the aspect ratio, to whole tiles too.
fn whole_tiles(size_px: [usize; 2], tile_px: usize) -> [usize; 2] {
    let shape = Shape::of(size_px);
    let whole = |side: usize| side.div_ceil(tile_px).max(1).saturating_mul(tile_px);
    let longer = whole(size_px[usize::from(shape.is_wide)]);
    shape.size(longer, whole(shape.shorter(longer)))
}
