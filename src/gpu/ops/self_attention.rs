//! Self-attention of the vision tower: `shaders/attention.wgsl`, whose sets are the crops, or the reference
//! implementation.

use burn::tensor::Tensor;

use super::attention::{Attention, MapParams};
use crate::gpu::reference;

/// `softmax(Q K^T / sqrt(head_dim)) V` within each crop. `q`, `k`, `v` and the result are `[crops, tokens, C]`. f32.
pub fn self_attention(heads: usize, q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    let [crops, tokens, channels] = q.dims();
    let attention = Attention::of_sets(crops, tokens, heads, channels / heads);
    match attention.run(&MapParams::default(), &q, &k, &v) {
        Some(mixed) => mixed,
        None => reference::self_attention(heads, q, k, v),
    }
}
