//! What is alive: which crops, and which positions of the enhanced map, can reach the output.
//!
//! In: N, h and how the `N*h x N*h` map is brought down to `h x h` tokens. Out: a [`Plan`], derived
//! by following the selected output positions backwards (spec/model.md, section 5). Nothing here is
//! written down per N, and nothing knows of tensors.
//!
//! Selection is the same along both axes of the map, so everything is a product of two equal sets
//! along one axis, and the plan keeps only the axis:
//!
//! ```text
//! map position y  =  tile * h + offset     local crop `tile`, its token `offset`
//!                 =  N * token + residue   global crop `residue`, its token `token`
//! ```

/// How the enhanced map becomes `h x h` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The release: bilinear, `align_corners = false`, no antialias.
    Bilinear,
    /// The paper's equation 7: the mean of each N x N block.
    Average,
}

/// How much to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Only what can reach the output.
    Live,
    /// Everything, as the authors' code does.
    Dense,
}

/// One pass of the vision tower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crop {
    /// Tile `(row, column)` of the picture: continuous detail.
    Local(usize, usize),
    /// Every N-th pixel from offset `(row, column)`: the whole picture.
    Global(usize, usize),
    /// The picture interpolated down to one crop.
    Low,
}

/// Where the low-resolution image's features come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LowSource {
    /// A pass of its own.
    OwnPass,
    /// The features of this global crop, whose pixels are the same to the bit (odd N).
    GlobalCrop(usize),
}

/// The passes to run and the positions to enhance, for one N and h.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Tokens per crop side h.
    pub tokens_per_side: usize,
    /// How much this is.
    pub coverage: Coverage,
    /// Residues alive along one axis, contiguous and ascending.
    pub residues: Vec<usize>,
    /// Local crops alive along one axis, ascending.
    pub tiles: Vec<usize>,
    /// Where the low-resolution features come from.
    pub low: LowSource,
    /// True where the one local crop is the one global crop (N = 1).
    pub local_is_global: bool,
    /// The `(position, weight)` pairs that make each of the h output tokens along one axis.
    pub taps: Vec<Vec<(usize, f32)>>,
}

impl Plan {
    /// Derives the plan for `crops_per_side` N >= 1 and `tokens_per_side` h >= 1.
    pub fn new(
        crops_per_side: usize,
        tokens_per_side: usize,
        pooling: Pooling,
        coverage: Coverage,
    ) -> Self {
        let (n, h) = (crops_per_side, tokens_per_side);
        let taps = match pooling {
            Pooling::Bilinear => bilinear_taps(n, h),
            Pooling::Average => average_taps(n, h),
        };
        // A position is alive if an output token reads it with a weight other than zero.
        let mut alive = vec![coverage == Coverage::Dense; n * h];
        for &(position, _) in taps.iter().flatten() {
            alive[position] = true;
        }
        let positions = || (0..n * h).filter(|&y| alive[y]);
        // Enhancement at a position reads the local crop that covers it (as keys and values of the
        // global enhancement, as the query of the local one) and the global crop that sampled it.
        let tiles = distinct(positions().map(|y| y / h), n);
        let residues = distinct(positions().map(|y| y % n), n);

        let low = match (coverage, n % 2) {
            (Coverage::Live, 1) => match residues.iter().position(|&r| r == (n - 1) / 2) {
                Some(slot) => LowSource::GlobalCrop(slot * residues.len() + slot),
                None => LowSource::OwnPass,
            },
            _ => LowSource::OwnPass,
        };
        Plan {
            crops_per_side: n,
            tokens_per_side: h,
            coverage,
            low,
            local_is_global: coverage == Coverage::Live && n == 1,
            residues,
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
        square(&self.residues)
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

    /// Alive positions along one axis: those whose residue is alive.
    pub fn positions(&self) -> Vec<usize> {
        (0..self.crops_per_side * self.tokens_per_side)
            .filter(|y| self.residues.contains(&(y % self.crops_per_side)))
            .collect()
    }

    /// Number of enhanced positions, `(residues * h)^2`.
    pub fn query_count(&self) -> usize {
        (self.residues.len() * self.tokens_per_side).pow(2)
    }

    /// For every enhanced position, in the order of the global features (crop by crop, token by
    /// token): its row in the local features, `[tiles^2, h * h]` flattened.
    pub fn local_rows(&self) -> Vec<usize> {
        let (n, h) = (self.crops_per_side, self.tokens_per_side);
        let mut rows = Vec::with_capacity(self.query_count());
        for (ry, rx) in square(&self.residues) {
            for i in 0..h {
                for j in 0..h {
                    let (y, x) = (n * i + ry, n * j + rx);
                    // Residues are alive as wholes, so a tile of any such position is alive; with
                    // N > h some are not, and those positions are never read.
                    let slot = |v: usize| self.tiles.iter().position(|&t| t == v / h).unwrap_or(0);
                    let crop = slot(y) * self.tiles.len() + slot(x);
                    rows.push(crop * h * h + (y % h) * h + x % h);
                }
            }
        }
        rows
    }

    /// For every output token: the enhanced rows (in the order of the global features) that it
    /// reads, with their weights.
    pub fn output_rows(&self) -> Vec<Vec<(usize, f32)>> {
        let h = self.tokens_per_side;
        let mut tokens = Vec::with_capacity(h * h);
        for i in 0..h {
            for j in 0..h {
                let mut token = Vec::new();
                for &(y, wy) in &self.taps[i] {
                    for &(x, wx) in &self.taps[j] {
                        token.push((self.row_of(y, x), wy * wx));
                    }
                }
                tokens.push(token);
            }
        }
        tokens
    }

    /// The row of map position `(y, x)` in the order of the global features.
    pub fn row_of(&self, y: usize, x: usize) -> usize {
        let (n, h) = (self.crops_per_side, self.tokens_per_side);
        let slot = |v: usize| self.residues.iter().position(|&r| r == v % n).unwrap_or(0);
        let crop = slot(y) * self.residues.len() + slot(x);
        crop * h * h + (y / n) * h + x / n
    }
}

/// PyTorch's `interpolate(bilinear, align_corners = false)` from N*h to h: the source of output i is
/// `N * (i + 0.5) - 0.5`. Taps of weight zero are left out: for odd N one tap remains.
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
        Plan::new(n, h, Pooling::Bilinear, Coverage::Live)
    }

    /// The table in spec/model.md, section 5.
    #[test]
    fn passes_alive_and_dense() {
        for (n, dense, alive) in [(1, 3, 1), (2, 9, 9), (3, 19, 10), (4, 33, 21), (5, 51, 26)] {
            assert_eq!(live(n, 24).passes().len(), alive, "N = {n}");
            let all = Plan::new(n, 24, Pooling::Bilinear, Coverage::Dense);
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

    #[test]
    fn average_pooling_keeps_everything_alive() {
        let plan = Plan::new(3, 4, Pooling::Average, Coverage::Live);
        assert_eq!(plan.local_crops().len() + plan.global_crops().len(), 18);
    }

    #[test]
    fn every_output_row_exists_and_weights_sum_to_one() {
        for n in 1..=6 {
            for h in [1, 2, 3, 4, 7, 24] {
                for coverage in [Coverage::Live, Coverage::Dense] {
                    let plan = Plan::new(n, h, Pooling::Bilinear, coverage);
                    for token in plan.output_rows() {
                        let sum: f32 = token.iter().map(|&(_, w)| w).sum();
                        assert!((sum - 1.0).abs() < 1e-6, "N = {n}, h = {h}: {sum}");
                        assert!(token.iter().all(|&(row, _)| row < plan.query_count()));
                    }
                }
            }
        }
    }
}
