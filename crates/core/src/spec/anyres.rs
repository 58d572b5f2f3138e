//! Tiles of a picture at the best of several sizes, the pinpoints (LLaVA-NeXT, LLaVA-OneVision), and the map of tokens
//! that the tiles become; all of it is computed from the picture's size.

use std::ops::Range;

use super::detail::Detail;
use super::padding::Padding;
use super::single::Fit;
use super::view::View;
use crate::error::{Error, Result};

/// The most tiles of a picture. Real models have up to 36.
pub(super) const MOST_TILES: usize = 1024;
/// The most pinpoints. Real models have up to 36.
const MOST_PINPOINTS: usize = 1024;
/// Maps are shrunk only if their sides would become smaller by more than this factor.
const TOLERATED: f64 = 1.1;

/// What the tokens of the views become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The base view's tokens; then the tiles' as one map without the padding, a newline token after each row.
    SpatialUnpad,
    /// The tokens of one view after the other, no newline.
    Flat,
}

/// How pictures become a base view and tiles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnyresSpec {
    /// P: the side of the base view and of a tile in pixels.
    pub view_px: usize,
    /// The sizes that a picture is resized and padded to: height and width, multiples of P. The first ones are preferred.
    pub pinpoints: Vec<[usize; 2]>,
    /// The most tokens of a map, in views: N of `anyres_max_N`, `None` without a limit. Larger maps are shrunk.
    pub most: Option<usize>,
    /// Whether the sides of the map without its padding are rounded to seven decimals before they are truncated: as in
    /// transformers, not as in the original program.
    pub rounds: bool,
    /// What the tokens become.
    pub merge: Merge,
    /// How a picture becomes one view, followed by a newline token, if a conversation has several pictures; `None`:
    /// they are tiled all the same.
    pub several: Option<Fit>,
}

/// The tiles of one picture, and the map of their tokens. Sizes are height and width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anyres {
    /// The chosen pinpoint.
    pub best_px: [usize; 2],
    /// The picture's size within it.
    pub resized_px: [usize; 2],
    /// What is black around the picture.
    pub padding: Padding,
    /// Rows and columns of tiles: R, S.
    pub tiles: [usize; 2],
    /// h: tokens along a view's side.
    pub tokens_per_side: usize,
    /// What the tokens become.
    pub merge: Merge,
    /// The rows of the map, `[R h, S h]`, that show the picture; none of a picture that is too wide. All if `Flat`.
    pub kept_rows: Range<usize>,
    /// The columns of the map that show the picture; none of a picture that is too high. All if `Flat`.
    pub kept_columns: Range<usize>,
    /// What the kept part of the map is reduced to, bilinearly; `None`: it remains as it is.
    pub shrunk: Option<[usize; 2]>,
    /// Whether the only tile has the same pixels as the base view, so that one pass serves for both. Not if `Flat`.
    pub is_base_tile: bool,
}

/// How the tokens of a picture's views are put together: the base view's `h * h`, then those of the map of the tiles,
/// row by row, with a newline token after each row. Token (i, j) of tile (r, s) is at row `r h + i` and column `s h + j`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMap {
    /// Rows and columns of tiles.
    pub tiles: [usize; 2],
    /// The rows that are kept.
    pub rows: Range<usize>,
    /// The columns that are kept.
    pub columns: Range<usize>,
    /// Rows and columns that the kept part is reduced to: bilinear, half-pixel centres, no antialias.
    pub shrunk: Option<[usize; 2]>,
    /// Which view the first tile is: 1, or 0 if it is the base view itself.
    pub first_tile: usize,
}

/// What no picture exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Largest {
    /// Visual tokens.
    pub tokens: usize,
    /// Passes of the tower.
    pub passes: usize,
    /// Height and width of a picture with the most passes; others may have more tokens.
    pub size_px: [usize; 2],
}

impl AnyresSpec {
    /// Whether pictures can be tiled so.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence: no pinpoints, too many, one that is not of whole tiles or of too many.
    pub fn check(&self) -> Result<(), String> {
        let count = self.pinpoints.len();
        if count == 0 || count > MOST_PINPOINTS {
            return Err(format!(
                "there are {count} sizes to choose from; there must be 1 to {MOST_PINPOINTS}"
            ));
        }
        for &[height, width] in &self.pinpoints {
            let is_whole = |side: usize| side > 0 && side.checked_rem(self.view_px) == Some(0);
            if !is_whole(height) || !is_whole(width) {
                return Err(format!(
                    "the size {height} x {width} (height x width) is not of whole tiles of {} pixels a side",
                    self.view_px
                ));
            }
            let [rows, columns] = self.tiles([height, width]);
            if rows.saturating_mul(columns) > MOST_TILES {
                return Err(format!(
                    "the size {height} x {width} (height x width) has more than {MOST_TILES} tiles of {} pixels a side",
                    self.view_px
                ));
            }
        }
        match self.most {
            Some(0) => Err("a map of 0 tokens is asked for".into()),
            _ => Ok(()),
        }
    }

    /// The tiles of a picture of `size_px`, height and width, and their map, at h `tokens_per_side`. In doubles and in the
    /// order of operations of transformers (`select_best_resolution`, `get_patch_output_size`, `unpad_image`) and
    /// of LLaVA-NeXT's own program: another order gives other sizes for some pictures.
    ///
    /// Never panics, whatever the size and the spec; of a spec that [`AnyresSpec::check`] refuses the result has no sense.
    ///
    /// # Errors
    /// [`Error::ImageShape`] for a picture that is so narrow that no pinpoint keeps a pixel of it, or that has none.
    pub fn anyres(&self, size_px: [usize; 2], tokens_per_side: usize) -> Result<Anyres> {
        let best_px = self.best_px(size_px)?;
        let resized_px = fitted(size_px, best_px);
        let tiles = self.tiles(best_px);
        let map = tiles.map(|count| count.saturating_mul(tokens_per_side));
        let is_flat = self.merge == Merge::Flat;
        let ([kept_rows, kept_columns], shrunk) = match self.merge {
            Merge::Flat => (map.map(|side| 0..side), None),
            Merge::SpatialUnpad => {
                let kept = self.kept(size_px, map);
                let shrunk = self.shrunk([kept[0].len(), kept[1].len()], tokens_per_side);
                (kept, shrunk)
            }
        };
        let is_one_view = [best_px, resized_px] == [[self.view_px; 2]; 2];
        Ok(Anyres {
            best_px,
            resized_px,
            padding: Padding::around(resized_px, best_px),
            tiles,
            tokens_per_side,
            merge: self.merge,
            kept_rows,
            kept_columns,
            shrunk,
            is_base_tile: is_one_view && !is_flat,
        })
    }

    /// The sizes that a picture of `size_px` is tiled at if it is to be looked at as closely as `detail` says: all, the
    /// smallest ones, or those with which it has not too many tokens. None if it has too many with every one.
    ///
    /// # Errors
    /// As [`AnyresSpec::anyres`].
    pub fn at(
        &self,
        detail: Detail,
        size_px: [usize; 2],
        tokens_per_side: usize,
    ) -> Result<Option<Vec<[usize; 2]>>> {
        let area = |[height, width]: [usize; 2]| height.saturating_mul(width);
        let pinpoints = self.pinpoints.iter().copied();
        let most = match detail {
            Detail::Auto | Detail::High => return Ok(Some(self.pinpoints.clone())),
            Detail::Low => {
                let least = pinpoints.clone().map(area).min();
                let smallest = pinpoints.filter(|&size_px| Some(area(size_px)) == least);
                return Ok(Some(smallest.collect()));
            }
            Detail::Tokens(most) => most,
        };
        let mut kept = Vec::new();
        for pinpoint in pinpoints {
            let alone = AnyresSpec {
                pinpoints: vec![pinpoint],
                ..self.clone()
            };
            // One that keeps nothing of a sliver is no choice.
            let tokens = alone.anyres(size_px, tokens_per_side).map(|a| a.tokens());
            if tokens.is_ok_and(|tokens| tokens <= most) {
                kept.push(pinpoint);
            }
        }
        // A picture that cannot be tiled at all is told as that.
        self.anyres(size_px, tokens_per_side)?;
        match kept.is_empty() {
            true if self.several.is_some() => Ok(None),
            true => self.at(Detail::Low, size_px, tokens_per_side),
            false => Ok(Some(kept)),
        }
    }

    /// What no picture exceeds, for limits that are needed before there is a picture: the most passes that a pinpoint
    /// has, and the most tokens that any part of its map has, if no smaller pinpoint has that part too.
    pub fn largest(&self, tokens_per_side: usize) -> Largest {
        let tiles = || self.pinpoints.iter().map(|&size_px| self.tiles(size_px));
        let tokens = tiles().map(|[rows, columns]| {
            // A picture as wide as both is put on the lower one while it fits: it keeps as much, and wastes less.
            let lower = tiles().filter(|[r, s]| *s == columns && *r < rows);
            let fewer_rows = lower.map(|[r, _]| r).max().unwrap_or(0);
            let narrower = tiles().filter(|[r, s]| *r == rows && *s < columns);
            let fewer_columns = narrower.map(|[_, s]| s).max().unwrap_or(0);
            self.most_tokens(
                [rows, columns],
                [fewer_rows, fewer_columns],
                tokens_per_side,
            )
        });
        let most_tiles = tiles().map(|[rows, columns]| rows.saturating_mul(columns));
        let largest = most_tiles
            .zip(&self.pinpoints)
            .max_by_key(|(tiles, _)| *tiles);
        let (most_tiles, size_px) = largest.unwrap_or((0, &[0, 0]));
        let size_px = match most_tiles {
            // A square would be one view.
            0 | 1 => [self.view_px, self.view_px.saturating_mul(2)],
            _ => *size_px,
        };
        Largest {
            tokens: tokens.max().unwrap_or(0),
            passes: most_tiles.saturating_add(1),
            size_px,
        }
    }

    /// The most tokens of a picture on a pinpoint of `tiles`, if those that `fewer` rows or columns of tiles hold are
    /// put on other pinpoints.
    fn most_tokens(&self, tiles: [usize; 2], fewer: [usize; 2], side: usize) -> usize {
        let base = side.saturating_mul(side);
        let in_views = |tiles: [usize; 2]| tiles[0].saturating_mul(tiles[1]).saturating_add(1);
        if self.merge == Merge::Flat {
            return base.saturating_mul(in_views(tiles));
        }
        let map = tiles.map(|count| count.saturating_mul(side));
        let tokens = |kept: [usize; 2]| {
            let [rows, columns] = self.shrunk(kept, side).unwrap_or(kept);
            rows.saturating_mul(columns.saturating_add(1))
        };
        // As many rows, or columns, are taken away on either side.
        let rest = |axis: usize| {
            (fewer[axis].saturating_mul(side)..=map[axis])
                .rev()
                .step_by(2)
        };
        let lower = rest(0).map(|rows| tokens([rows, map[1]])).max();
        let narrower = rest(1).map(|columns| tokens([map[0], columns])).max();
        base.saturating_add(lower.max(narrower).unwrap_or(0))
    }

    /// Rows and columns of tiles of a pinpoint.
    fn tiles(&self, size_px: [usize; 2]) -> [usize; 2] {
        size_px.map(|side| side / self.view_px.max(1))
    }

    /// The pinpoint that keeps the most of the picture's pixels; of those the one with the fewest others, the first one.
    fn best_px(&self, size_px: [usize; 2]) -> Result<[usize; 2]> {
        let [height, width] = size_px.map(|side| side as f64);
        let pixels = size_px.map(|side| side as u64);
        let pixels = pixels[0].saturating_mul(pixels[1]);
        let (mut best, mut most_kept, mut least_wasted) = (None, 0, u64::MAX);
        for &pinpoint in &self.pinpoints {
            let [high, wide] = pinpoint.map(|side| side as f64);
            let scale = (wide / width).min(high / height);
            // Casts truncate, and saturate.
            let kept = ((width * scale) as u64).saturating_mul((height * scale) as u64);
            let kept = kept.min(pixels);
            let area = (pinpoint[0] as u64).saturating_mul(pinpoint[1] as u64);
            let wasted = area.saturating_sub(kept);
            let is_better = kept > most_kept || kept == most_kept && wasted < least_wasted;
            if kept > 0 && is_better {
                (best, most_kept, least_wasted) = (Some(pinpoint), kept, wasted);
            }
        }
        best.ok_or_else(|| {
            let [height, width] = size_px;
            let reason = "it is so narrow that nothing of it would be left in any of the sizes that this model resizes pictures to. Cut out the part that matters";
            Error::ImageShape { width, height, reason: reason.into() }
        })
    }

    /// The rows and columns of the map that show the picture, by the aspect ratio of the picture, not by its padding.
    fn kept(&self, size_px: [usize; 2], map: [usize; 2]) -> [Range<usize>; 2] {
        let [height, width] = size_px.map(|side| side as f64);
        let [rows, columns] = map.map(|side| side as f64);
        if width / height > columns / rows {
            let kept = self.truncated(height * (columns / width));
            [middle(map[0], kept), 0..map[1]]
        } else {
            let kept = self.truncated(width * (rows / height));
            [0..map[0], middle(map[1], kept)]
        }
    }

    /// Without decimals, of which only seven count if the spec rounds.
    fn truncated(&self, side: f64) -> usize {
        const HALF_A_DECIMAL: f64 = 0.5e-7;
        let next = side.ceil();
        match self.rounds && next - side < HALF_A_DECIMAL {
            true => next as usize,
            false => side as usize,
        }
    }

    /// What a map of `kept` rows and columns is reduced to, if it has too many tokens; at least one row and column
    /// (transformers fails there).
    fn shrunk(&self, kept: [usize; 2], side: usize) -> Option<[usize; 2]> {
        let most = self.most?.saturating_mul(side).saturating_mul(side);
        let tokens = kept[0].saturating_mul(kept[1]);
        let factor = (tokens as f64 / most as f64).sqrt();
        (factor > TOLERATED).then(|| kept.map(|side| floor_division(side as f64, factor).max(1)))
    }
}

impl Anyres {
    /// Visual tokens of the picture.
    pub fn tokens(&self) -> usize {
        let side = self.tokens_per_side;
        let base = side.saturating_mul(side);
        match self.merge {
            Merge::Flat => base.saturating_mul(self.all_tiles().saturating_add(1)),
            Merge::SpatialUnpad => {
                let [rows, columns] = self.map_size();
                base.saturating_add(rows.saturating_mul(columns.saturating_add(1)))
            }
        }
    }

    /// Passes of the tower: the base view and the tiles, each view once.
    pub fn passes(&self) -> usize {
        match self.is_base_tile {
            true => 1,
            false => self.all_tiles().saturating_add(1),
        }
    }

    /// Rows and columns of tokens between the base view's and the end.
    pub fn map_size(&self) -> [usize; 2] {
        let kept = [self.kept_rows.len(), self.kept_columns.len()];
        self.shrunk.unwrap_or(kept)
    }

    /// The places of the newline tokens among the picture's tokens, ascending; none if `Flat`.
    pub fn newlines(&self) -> impl Iterator<Item = usize> + use<> {
        let base = self.tokens_per_side.saturating_mul(self.tokens_per_side);
        let [rows, columns] = match self.merge {
            Merge::SpatialUnpad => self.map_size(),
            Merge::Flat => [0, 0],
        };
        let line = columns.saturating_add(1);
        (1..=rows).map(move |row| base.saturating_add(row.saturating_mul(line)) - 1)
    }

    /// How the views' tokens are put together; `None` if `Flat`: one after the other.
    pub fn token_map(&self) -> Option<TokenMap> {
        (self.merge == Merge::SpatialUnpad).then(|| TokenMap {
            tiles: self.tiles,
            rows: self.kept_rows.clone(),
            columns: self.kept_columns.clone(),
            shrunk: self.shrunk,
            first_tile: usize::from(!self.is_base_tile),
        })
    }

    /// Where the tiles are in the canvas of `best_px`, row by row; none if the base view is the only tile.
    pub fn tile_views(&self) -> impl Iterator<Item = View> + use<> {
        let [rows, columns] = match self.is_base_tile {
            true => [0, 0],
            false => self.tiles,
        };
        View::tiles([rows, columns], self.best_px)
    }

    fn all_tiles(&self) -> usize {
        self.tiles[0].saturating_mul(self.tiles[1])
    }
}

/// The size of a picture that fills a canvas along one side, and is not larger along the other.
fn fitted(size_px: [usize; 2], canvas_px: [usize; 2]) -> [usize; 2] {
    let [height, width] = size_px.map(|side| side as f64);
    let [high, wide] = canvas_px;
    let (across, down) = (wide as f64 / width, high as f64 / height);
    if across < down {
        [((height * across).ceil() as usize).min(high), wide]
    } else {
        [high, ((width * down).ceil() as usize).min(wide)]
    }
}

/// The middle `kept` of `side`, or one more if the rest is odd.
fn middle(side: usize, kept: usize) -> Range<usize> {
    let before = side.saturating_sub(kept) / 2;
    before..side - before
}

/// Python's `a // b` of floats, neither negative. It is not `floor(a / b)`: 135 / (5 / 3) rounds to 81, of 135 there are
/// 80 whole times.
fn floor_division(a: f64, b: f64) -> usize {
    ((a - a % b) / b).round() as usize
}
