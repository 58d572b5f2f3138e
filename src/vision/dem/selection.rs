//! The index tensors of a plan: which rows of the crops' features are the positions of the two maps, and which fused
//! rows are the output tokens. Independent of weights.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::spec::plan::Plan;
use crate::spec::{Dem, Fusion};

/// Indices on a device, created once per model.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Row in the local features of every enhanced position; none without local crops.
    local_rows: Option<Tensor<1, Int>>,
    /// Row in the global features of every enhanced position; none if they coincide.
    global_rows: Option<Tensor<1, Int>>,
    /// Row in the global features of every position of the computed tiles, if keys need it.
    global_rows_of_tiles: Option<Tensor<1, Int>>,
    /// For each of nine neighbours: the enhanced row for every fused position, if the fusion reads neighbours.
    neighbours: Vec<Tensor<1, Int>>,
    /// For each tap of an output token: fused rows and weights `[h * h, 1]`; none if the fused rows are the output
    /// tokens.
    taps: Vec<(Tensor<1, Int>, Tensor<2>)>,
}

impl Selection {
    /// Uploads the indices of `plan`.
    pub fn new(plan: &Plan, device: &Device) -> Self {
        let output = plan.output_rows();
        let identity = plan.fused_count() == output.len()
            && output
                .iter()
                .enumerate()
                .all(|(token, taps)| taps[..] == [(token, 1.0)]);
        let most = if identity {
            0
        } else {
            output.iter().map(Vec::len).max().unwrap_or(0)
        };
        let taps = (0..most)
            .map(|tap| {
                let of = |token: &Vec<(usize, f32)>| token.get(tap).copied().unwrap_or((0, 0.0));
                let rows: Vec<usize> = output.iter().map(|token| of(token).0).collect();
                let weights: Vec<f32> = output.iter().map(|token| of(token).1).collect();
                let count = weights.len();
                let weights = Tensor::from_data(TensorData::new(weights, [count, 1]), device);
                (indices(&rows, device), weights)
            })
            .collect();

        let upload = |rows: Vec<usize>| indices(&rows, device);
        let ablation = &plan.ablation;
        let enhanced = ablation.modules.has_enhancement();
        let keys_of_tiles = enhanced && ablation.dem == Dem::Paper;
        let reads_neighbours = enhanced && ablation.fusion == Fusion::Conv3x3;
        Selection {
            local_rows: (!plan.tiles.is_empty()).then(|| upload(plan.local_rows())),
            global_rows: (!plan.globals.is_empty() && plan.globals != plan.residues)
                .then(|| upload(plan.global_rows())),
            global_rows_of_tiles: keys_of_tiles.then(|| upload(plan.global_rows_of_tiles())),
            neighbours: match reads_neighbours {
                true => plan.neighbour_rows().into_iter().map(upload).collect(),
                false => Vec::new(),
            },
            taps,
        }
    }

    /// The local map at the enhanced positions, `[rows, C]`, from the features `[tiles^2, h * h, C]`.
    pub fn local_map(&self, features: Tensor<3>) -> Tensor<2> {
        pick(flatten(features), &self.local_rows)
    }

    /// The global map at the enhanced positions, `[rows, C]`, from the features `[globals^2, h * h, C]`.
    pub fn global_map(&self, features: Tensor<3>) -> Tensor<2> {
        pick(flatten(features), &self.global_rows)
    }

    /// The global map in the computed tiles, `[tiles^2, h * h, C]`, from the features `[globals^2, h * h, C]`.
    pub fn global_tiles(&self, features: Tensor<3>) -> Tensor<3> {
        let [_, tokens, channels] = features.dims();
        let rows = pick(flatten(features), &self.global_rows_of_tiles);
        let [count, _] = rows.dims();
        rows.reshape([count / tokens, tokens, channels])
    }

    /// For each of nine neighbours, row by row: the enhanced row for every fused position, or one past the last
    /// enhanced row outside the map.
    pub fn neighbours(&self) -> &[Tensor<1, Int>] {
        &self.neighbours
    }

    /// Fused rows `[rows, C]` -> output tokens `[h * h, C]`.
    pub fn tokens(&self, rows: &Tensor<2>) -> Tensor<2> {
        self.taps
            .iter()
            .map(|(indices, weights)| rows.clone().select(0, indices.clone()) * weights.clone())
            .reduce(|sum, tap| sum + tap)
            .unwrap_or_else(|| rows.clone())
    }
}

fn pick(rows: Tensor<2>, indices: &Option<Tensor<1, Int>>) -> Tensor<2> {
    match indices {
        Some(indices) => rows.select(0, indices.clone()),
        None => rows,
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

fn flatten(features: Tensor<3>) -> Tensor<2> {
    let [crops, tokens, channels] = features.dims();
    features.reshape([crops * tokens, channels])
}
