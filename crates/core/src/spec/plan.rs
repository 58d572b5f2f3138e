//! Which crops and which positions of the two maps can reach the output, and are therefore computed ("alive").
//!
//! In: N, h and what is computed between tower and projector. Out: a [`Plan`], computed by tracing the selected
//! output positions backwards through the released `forward`. Nothing is tabulated per N, and nothing depends on
//! tensors.
//!
//! The selection is the same along both axes of the map, so everything is a product of two equal sets, and the plan
//! stores only one axis:
//!
//! ```text
//! map position y  =  tile * h + offset     local crop `tile`, its token `offset`
//!                 =  N * token + residue   global crop `residue`, its token `token`
//! ```
//!
//! Positions are alive by residue: for every pooling and fusion, the alive positions are all those of certain
//! contiguous residues.

use super::{Ablation, Crop, Dem, Fusion, Modules, Pooling};

/// How much to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Only what can reach the output.
    Live,
    /// Everything, as the authors' code does.
    Dense,
}

/// Where the low-resolution image's features come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowSource {
    /// A separate pass.
    OwnPass,
    /// The features of this global crop, whose pixels are bit-identical (odd N).
    GlobalCrop(usize),
    /// They are not used.
    Unused,
}

/// The passes to run and the positions to enhance, for given N and h.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Tokens per crop side h.
    pub tokens_per_side: usize,
    /// What is computed between tower and projector.
    pub ablation: Ablation,
    /// How much of it is computed.
    pub coverage: Coverage,
    /// Residues of the enhanced positions along one axis, contiguous and ascending. Each position is a row, ordered
    /// by residue and then by token.
    pub residues: Vec<usize>,
    /// Residues of the fused positions along one axis: equal to `residues`, unless the fusion reads a position's
    /// neighbours.
    pub fused: Vec<usize>,
    /// Global crops that are alive along one axis, ascending: equal to `residues`, unless keys need others.
    pub globals: Vec<usize>,
    /// Local crops that are alive along one axis, ascending.
    pub tiles: Vec<usize>,
    /// Where the low-resolution features come from.
    pub low: LowSource,
    /// True if the only local crop is also the only global crop (N = 1).
    pub local_is_global: bool,
    /// The `(position, weight)` pairs that make each of the h output tokens along one axis.
    pub taps: Vec<Vec<(usize, f32)>>,
}

impl Plan {
    /// Computes the plan for `crops_per_side` N >= 1 and `tokens_per_side` h >= 1.
    pub fn new(
        crops_per_side: usize,
        tokens_per_side: usize,
        ablation: Ablation,
        coverage: Coverage,
    ) -> Self {
        let (n, h) = (crops_per_side, tokens_per_side);
        let modules = ablation.modules;
        let taps = match ablation.pooling {
            Pooling::Bilinear => bilinear_taps(n, h),
            Pooling::Average => average_taps(n, h),
        };
        // A position is fused if an output token reads it with a nonzero weight.
        let mut read = vec![coverage == Coverage::Dense; n * h];
        for &(position, _) in taps.iter().flatten() {
            read[position] = true;
        }
        let fused = distinct(alive(&read).map(|y| y % n), n);
        // The fusion reads only the position, or also its neighbours.
        if modules.has_enhancement() && ablation.fusion == Fusion::Conv3x3 {
            let once = read.clone();
            for y in alive(&once) {
                read[y.saturating_sub(1)..(y + 2).min(n * h)].fill(true);
            }
        }
        let residues = distinct(alive(&read).map(|y| y % n), n);
        // A position of a map, enhanced or not, reads the crops that contain it: the local crop that covers it, and
        // the global crop that sampled it. One of them provides the query (or the map itself). In the release, the
        // keys are the whole other crop, so no more crops are needed. In the paper, the keys of the global
        // enhancement are the local map at all positions of the residue, which are alive anyway; the keys of the
        // local enhancement are the global map at all positions of the tile.
        let tiles = distinct(alive(&read).map(|y| y / h), n);
        let mut globals = residues.clone();
        let keys_by_tile = ablation.dem == Dem::Paper && ablation.directions.has_local();
        if modules.has_enhancement() && keys_by_tile {
            let of_tiles = tiles.iter().flat_map(|tile| tile * h..tile * h + h);
            globals = distinct(of_tiles.map(|y| y % n), n);
        }

        // With one crop per side, the local crop, the global crop and the low-resolution image coincide.
        let local_is_global = coverage == Coverage::Live && n == 1 && modules.has_local();
        let tiles = if modules.has_local() {
            tiles
        } else {
            Vec::new()
        };
        if !modules.has_global() && !local_is_global {
            globals.clear();
        }
        let middle = globals.iter().position(|&r| 2 * r + 1 == n);
        let low = match (coverage, middle) {
            _ if !ablation.low_resolution && modules != Modules::None => LowSource::Unused,
            (Coverage::Live, Some(slot)) => LowSource::GlobalCrop(slot * globals.len() + slot),
            _ => LowSource::OwnPass,
        };
        Plan {
            crops_per_side: n,
            tokens_per_side: h,
            ablation,
            coverage,
            low,
            local_is_global,
            residues,
            fused,
            globals,
            tiles,
            taps,
        }
    }

    /// Local crops to encode, in the order of their features.
    pub fn local_crops(&self) -> Vec<Crop> {
        if self.local_is_global {
            return Vec::new();
        }
        square(&self.tiles)
            .map(|(r, c)| Crop::Local(r, c))
            .collect()
    }

    /// Global crops to encode, in the order of their features.
    pub fn global_crops(&self) -> Vec<Crop> {
        square(&self.globals)
            .map(|(r, c)| Crop::Global(r, c))
            .collect()
    }

    /// All passes of the vision tower: local crops, global crops, the low-resolution image.
    pub fn passes(&self) -> Vec<Crop> {
        let mut passes = self.local_crops();
        passes.extend(self.global_crops());
        if self.low == LowSource::OwnPass {
            passes.push(Crop::Low);
        }
        passes
    }

    /// Number of enhanced positions, `(residues * h)^2`.
    pub fn query_count(&self) -> usize {
        (self.residues.len() * self.tokens_per_side).pow(2)
    }

    /// Number of fused positions.
    pub fn fused_count(&self) -> usize {
        (self.fused.len() * self.tokens_per_side).pow(2)
    }

    /// For every enhanced position: its row in the local features, `[tiles^2, h * h]` flattened.
    pub fn local_rows(&self) -> Vec<usize> {
        self.positions(&self.residues)
            .map(|(y, x)| self.local_row(y, x))
            .collect()
    }

    /// For every enhanced position: its row in the global features, `[globals^2, h * h]` flattened.
    pub fn global_rows(&self) -> Vec<usize> {
        self.positions(&self.residues)
            .map(|(y, x)| self.row_among(&self.globals, y, x))
            .collect()
    }

    /// For every position of the alive tiles, ordered by tile and then by token: its row in the global features. All
    /// positions of a tile are alive only if the keys of tiles come from the global map.
    pub fn global_rows_of_tiles(&self) -> Vec<usize> {
        let h = self.tokens_per_side;
        let offsets: Vec<usize> = (0..h).collect();
        square(&self.tiles)
            .flat_map(|(ty, tx)| square(&offsets).map(move |(i, j)| (ty * h + i, tx * h + j)))
            .map(|(y, x)| self.row_among(&self.globals, y, x))
            .collect()
    }

    /// For every fused position, the enhanced row at offset `(dy, dx)`, or [`Plan::query_count`] outside the map; for
    /// each of the nine neighbours, row by row.
    pub fn neighbour_rows(&self) -> Vec<Vec<usize>> {
        let side = self.crops_per_side * self.tokens_per_side;
        // Shifts are one too large, so that they are not negative.
        let shifted = |v: usize, shift: usize| (v + shift).checked_sub(1).filter(|&v| v < side);
        square(&[0, 1, 2])
            .map(|(dy, dx)| {
                self.positions(&self.fused)
                    .map(|(y, x)| match shifted(y, dy).zip(shifted(x, dx)) {
                        Some((y, x)) => self.row_among(&self.residues, y, x),
                        None => self.query_count(),
                    })
                    .collect()
            })
            .collect()
    }

    /// For every output token: the fused rows that it reads, with weights.
    pub fn output_rows(&self) -> Vec<Vec<(usize, f32)>> {
        let h = self.tokens_per_side;
        let mut tokens = Vec::with_capacity(h * h);
        for i in 0..h {
            for j in 0..h {
                let mut token = Vec::new();
                for &(y, wy) in &self.taps[i] {
                    for &(x, wx) in &self.taps[j] {
                        token.push((self.row_among(&self.fused, y, x), wy * wx));
                    }
                }
                tokens.push(token);
            }
        }
        tokens
    }

    /// The map positions of `residues`, in the order of their rows.
    fn positions(&self, residues: &[usize]) -> impl Iterator<Item = (usize, usize)> {
        let (n, h) = (self.crops_per_side, self.tokens_per_side);
        let tokens: Vec<usize> = (0..h).collect();
        let mut positions = Vec::with_capacity((residues.len() * h).pow(2));
        for (ry, rx) in square(residues) {
            positions.extend(square(&tokens).map(|(i, j)| (n * i + ry, n * j + rx)));
        }
        positions.into_iter()
    }

    /// The row of map position `(y, x)` among those of `residues`.
    fn row_among(&self, residues: &[usize], y: usize, x: usize) -> usize {
        let (n, h) = (self.crops_per_side, self.tokens_per_side);
        let slot = |v: usize| residues.iter().position(|&r| r == v % n).unwrap_or(0);
        let crop = slot(y) * residues.len() + slot(x);
        crop * h * h + (y / n) * h + x / n
    }

    /// The row of map position `(y, x)` in the local features.
    fn local_row(&self, y: usize, x: usize) -> usize {
        let h = self.tokens_per_side;
        let slot = |v: usize| self.tiles.iter().position(|&t| t == v / h).unwrap_or(0);
        let crop = slot(y) * self.tiles.len() + slot(x);
        crop * h * h + (y % h) * h + x % h
    }
}

/// PyTorch's `interpolate(bilinear, align_corners = false)` from N*h to h: the source of output i is
/// `N * (i + 0.5) - 0.5`. Taps of weight zero are omitted: for odd N one tap remains.
fn bilinear_taps(n: usize, h: usize) -> Vec<Vec<(usize, f32)>> {
    (0..h)
        .map(|i| {
            let source = (n as f64) * (i as f64 + 0.5) - 0.5;
            let first = source.floor() as usize;
            let second_weight = (source - source.floor()) as f32;
            [
                (first, 1.0 - second_weight),
                ((first + 1).min(n * h - 1), second_weight),
            ]
            .into_iter()
            .filter(|&(_, weight)| weight != 0.0)
            .collect()
        })
        .collect()
}

fn average_taps(n: usize, h: usize) -> Vec<Vec<(usize, f32)>> {
    (0..h)
        .map(|i| (0..n).map(|k| (n * i + k, 1.0 / n as f32)).collect())
        .collect()
}

fn alive(positions: &[bool]) -> impl Iterator<Item = usize> + '_ {
    (0..positions.len()).filter(|&y| positions[y])
}

fn distinct(values: impl Iterator<Item = usize>, below: usize) -> Vec<usize> {
    let mut seen = vec![false; below];
    values.for_each(|v| seen[v] = true);
    (0..below).filter(|&v| seen[v]).collect()
}

fn square(axis: &[usize]) -> impl Iterator<Item = (usize, usize)> + '_ {
    axis.iter()
        .flat_map(move |&r| axis.iter().map(move |&c| (r, c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(n: usize, h: usize) -> Plan {
        Plan::new(n, h, Ablation::default(), Coverage::Live)
    }

    /// The number of passes with dense and with live coverage.
    #[test]
    fn passes_alive_and_dense() {
        for (n, dense, alive) in [(1, 3, 1), (2, 9, 9), (3, 19, 10), (4, 33, 21), (5, 51, 26)] {
            assert_eq!(live(n, 24).passes().len(), alive, "N = {n}");
            let all = Plan::new(n, 24, Ablation::default(), Coverage::Dense);
            assert_eq!(all.passes().len(), dense, "N = {n}");
        }
    }

    #[test]
    fn global_crops_alive() {
        let names = |n: usize| -> Vec<usize> {
            live(n, 4)
                .global_crops()
                .into_iter()
                .map(|crop| match crop {
                    Crop::Global(r, c) => r * n + c,
                    other => panic!("{other:?} among the global crops"),
                })
                .collect()
        };
        assert_eq!(names(3), [4]);
        assert_eq!(names(4), [5, 6, 9, 10]);
        assert_eq!(names(5), [12]);
    }

    #[test]
    fn local_crops_die_when_n_exceeds_h() {
        let plan = live(5, 2);
        assert_eq!(plan.tiles, [1, 3]);
        assert_eq!(plan.local_crops().len(), 4);
    }
}
