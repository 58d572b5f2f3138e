//! DEM attention on burn tensors: the rows of each set are gathered, and each set is computed separately.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor, TensorData};

use crate::gpu::ops::{Cut, DemShape};

/// See [`crate::gpu::ops::dem_attention`].
pub fn dem_attention(
    shape: &DemShape,
    cut: Cut,
    q: Tensor<2>,
    k: Tensor<3>,
    v: Tensor<3>,
) -> Tensor<2> {
    let [rows, channels] = q.dims();
    let (heads, head_dim) = (shape.heads, channels / shape.heads);
    let device = q.device();
    let [_, tokens, _] = k.dims();
    let sets = query_rows(shape, cut);

    // [tokens, C] -> [heads, tokens, head_dim]
    let by_head = |x: Tensor<2>| {
        let [count, _] = x.dims();
        x.reshape([count, heads, head_dim]).swap_dims(0, 1)
    };
    let mut outputs = Vec::with_capacity(sets.len());
    for (set, rows) in sets.iter().enumerate() {
        if rows.is_empty() {
            continue;
        }
        let indices = index_tensor(rows, &device);
        let q = by_head(q.clone().select(0, indices)).mul_scalar(1.0 / (head_dim as f32).sqrt());
        let of_set =
            |x: &Tensor<3>| by_head(x.clone().narrow(0, set, 1).reshape([tokens, channels]));
        let weights = softmax(q.matmul(of_set(&k).swap_dims(1, 2)), 2);
        outputs.push(
            weights
                .matmul(of_set(&v))
                .swap_dims(0, 1)
                .reshape([rows.len(), channels]),
        );
    }
    // Puts the rows, concatenated set by set, back into the order of the queries.
    let mut place = vec![0; rows];
    for (position, &row) in sets.iter().flatten().enumerate() {
        place[row] = position;
    }
    Tensor::cat(outputs, 0).select(0, index_tensor(&place, &device))
}

/// The share of attention that each key gets, as the mean over its set's queries and heads: `[sets, tokens]`; each
/// row sums to 1. For display only; there is no kernel.
pub fn dem_attention_map(shape: &DemShape, cut: Cut, q: Tensor<2>, k: Tensor<3>) -> Tensor<2> {
    let [_, channels] = q.dims();
    let (heads, head_dim) = (shape.heads, channels / shape.heads);
    let device = q.device();
    let [_, tokens, _] = k.dims();
    let by_head = |x: Tensor<2>| {
        let [count, _] = x.dims();
        x.reshape([count, heads, head_dim]).swap_dims(0, 1)
    };
    let of_set = |(set, rows): (usize, &Vec<usize>)| {
        if rows.is_empty() {
            return Tensor::zeros([1, tokens], &device);
        }
        let q = by_head(q.clone().select(0, index_tensor(rows, &device)));
        let k = by_head(k.clone().narrow(0, set, 1).reshape([tokens, channels]));
        let scores = q
            .mul_scalar(1.0 / (head_dim as f32).sqrt())
            .matmul(k.swap_dims(1, 2));
        let shares = softmax(scores, 2).reshape([heads * rows.len(), tokens]);
        shares.mean_dim(0)
    };
    let sets = query_rows(shape, cut);
    Tensor::cat(sets.iter().enumerate().map(of_set).collect(), 0)
}

/// The rows that attend to each set, `[sets][rows]`.
fn query_rows(shape: &DemShape, cut: Cut) -> Vec<Vec<usize>> {
    let (n, h) = (shape.crops_per_side, shape.tokens_per_side);
    let mut sets = vec![Vec::new(); shape.sets(cut)];
    let mut row = 0;
    for (slot_y, ry) in shape.residues.iter().enumerate() {
        for (slot_x, rx) in shape.residues.iter().enumerate() {
            for i in 0..h {
                for j in 0..h {
                    let slot = |v: usize| shape.tiles.iter().position(|&t| t == v / h);
                    let set = match cut {
                        Cut::Strided => Some(slot_y * shape.residues.len() + slot_x),
                        Cut::Tiles => slot(n * i + ry)
                            .zip(slot(n * j + rx))
                            .map(|(y, x)| y * shape.tiles.len() + x),
                    };
                    if let Some(set) = set {
                        sets[set].push(row);
                    }
                    row += 1;
                }
            }
        }
    }
    sets
}

fn index_tensor(indices: &[usize], device: &burn::tensor::Device) -> Tensor<1, Int> {
    let values: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
    Tensor::from_data(TensorData::new(values, [indices.len()]), device)
}
