//! The Dual-perspective Enhancement Module, DEM (spec/model.md, section 4; paper eq. 18-27).
//!
//! Works on rows instead of maps: every enhanced position is a row, in the order of the global
//! features (crop by crop, token by token), and only rows that are alive exist.

use burn::module::Module;
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::gpu::ops::{DemShape, Direction, dem_attention};
use crate::nn::{LayerNorm, Linear};
use crate::vision::plan::Plan;

/// The attention that both directions share: the release's `linears.0..3` and `ln`.
#[derive(Module, Debug)]
pub struct DemAttention {
    /// C -> C.
    pub query: Linear,
    /// C -> C.
    pub key: Linear,
    /// C -> C.
    pub value: Linear,
    /// C -> C.
    pub out: Linear,
    /// After the residual.
    pub norm: LayerNorm,
}

/// `C -> C/16 -> GELU -> C/2`, one for each half of the fused channels.
#[derive(Module, Debug)]
pub struct FusionMlp {
    /// C -> C/16.
    pub down: Linear,
    /// C/16 -> C/2.
    pub up: Linear,
}

impl FusionMlp {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.up.forward(gelu(self.down.forward(x)))
    }
}

/// The module.
#[derive(Module, Debug)]
pub struct Enhancement {
    /// Shared by both directions.
    pub attention: DemAttention,
    /// Of the locally enhanced map.
    pub ffn_crop: FusionMlp,
    /// Of the globally enhanced map.
    pub ffn_stride: FusionMlp,
    /// After the fusion.
    pub norm: LayerNorm,
    /// Attention heads.
    pub heads: usize,
}

/// What the module gives.
pub struct Enhanced {
    /// The fused positions, `[rows, C]`, in the order of the global features.
    pub rows: Tensor<2>,
    /// The selected tokens, `[h * h, C]`.
    pub output: Tensor<2>,
}

/// The index tensors of a plan, made once per model.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Row in the local features of every enhanced position.
    local_rows: Tensor<1, Int>,
    /// For each tap of an output token: enhanced rows and weights `[h * h, 1]`; none where the
    /// enhanced rows are the output tokens.
    taps: Vec<(Tensor<1, Int>, Tensor<2>)>,
}

impl Selection {
    /// Uploads the indices of `plan`.
    pub fn new(plan: &Plan, device: &Device) -> Self {
        let output = plan.output_rows();
        let identity = plan.query_count() == output.len()
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
        Selection {
            local_rows: indices(&plan.local_rows(), device),
            taps,
        }
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&v| v as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

impl Enhancement {
    /// `local` `[tiles^2, h * h, C]` and `global` `[residues^2, h * h, C]`: the features of the
    /// crops that `plan` keeps, in its order.
    pub fn forward(
        &self,
        plan: &Plan,
        selection: &Selection,
        local: Tensor<3>,
        global: Tensor<3>,
    ) -> Enhanced {
        let shape = DemShape {
            crops_per_side: plan.crops_per_side,
            tokens_per_side: plan.tokens_per_side,
            residues: plan.residues.clone(),
            tiles: plan.tiles.clone(),
            heads: self.heads,
        };
        let global_rows = flatten(global.clone());
        let local_rows = flatten(local.clone()).select(0, selection.local_rows.clone());

        let globally = self.attend(&shape, Direction::Global, global_rows, local);
        let locally = self.attend(&shape, Direction::Local, local_rows, global);

        let halves = vec![
            self.ffn_crop.forward(locally.clone()),
            self.ffn_stride.forward(globally.clone()),
        ];
        let rows = self
            .norm
            .forward(Tensor::cat(halves, 1) + globally + locally);
        let output = select_tokens(&rows, selection);
        Enhanced { rows, output }
    }

    /// `LayerNorm(out(softmax(Q K^T / sqrt(d)) V) + q)`, the residual being the raw query input.
    fn attend(
        &self,
        shape: &DemShape,
        direction: Direction,
        rows: Tensor<2>,
        sets: Tensor<3>,
    ) -> Tensor<2> {
        let a = &self.attention;
        let q = a.query.forward(rows.clone());
        let k = a.key.forward(sets.clone());
        let v = a.value.forward(sets);
        let mixed = dem_attention(shape, direction, q, k, v);
        a.norm.forward(a.out.forward(mixed) + rows)
    }
}

fn select_tokens(rows: &Tensor<2>, selection: &Selection) -> Tensor<2> {
    selection
        .taps
        .iter()
        .map(|(indices, weights)| rows.clone().select(0, indices.clone()) * weights.clone())
        .reduce(|sum, tap| sum + tap)
        .unwrap_or_else(|| rows.clone())
}

fn flatten(features: Tensor<3>) -> Tensor<2> {
    let [crops, tokens, channels] = features.dims();
    features.reshape([crops * tokens, channels])
}
