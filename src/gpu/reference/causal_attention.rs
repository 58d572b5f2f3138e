//! Attention of new tokens to the key/value cache, on burn tensors.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor};

use crate::gpu::ops::Causal;

/// Score of a position that must not be attended to.
const MASKED: f32 = -1.0e30;

/// See [`crate::gpu::ops::causal_attention`].
pub fn causal_attention(
    causal: Causal,
    q: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Tensor<2> {
    let Causal { heads, start, .. } = causal;
    let [tokens, channels] = q.dims();
    let [_, _, head_dim] = keys.dims();
    let v = values.clone().narrow(1, 0, start + tokens);
    weights(causal, q, keys)
        .matmul(v)
        .reshape([heads, tokens, head_dim])
        .swap_dims(0, 1)
        .reshape([tokens, channels])
}

/// The attention weights: `[key_heads, heads / key_heads * tokens, start + tokens]`.
pub(super) fn weights(causal: Causal, q: Tensor<2>, keys: &Tensor<3>) -> Tensor<3> {
    let Causal { heads, start, .. } = causal;
    let [tokens, _] = q.dims();
    let [key_heads, _, head_dim] = keys.dims();
    let (group, seen) = (heads / key_heads, start + tokens);
    let k = keys.clone().narrow(1, 0, seen);
    let is_masked = tokens > 1 || causal.window.is_some_and(|window| window < seen);
    let mask = is_masked.then(|| causal_mask(causal, tokens, &q));

    // Each key/value head serves its group of query heads in one product.
    let q = q
        .mul_scalar(1.0 / (head_dim as f32).sqrt())
        .reshape([tokens, heads, head_dim])
        .swap_dims(0, 1)
        .reshape([key_heads, group * tokens, head_dim]);
    let mut scores = q.matmul(k.swap_dims(1, 2));
    if let Some(mask) = mask {
        scores = scores
            .reshape([heads, tokens, seen])
            .mask_fill(mask.expand([heads, tokens, seen]), MASKED)
            .reshape([key_heads, group * tokens, seen]);
    }
    softmax(scores, 2)
}

/// `[1, tokens, start + tokens]`, true where a key lies after the query, or before its window.
fn causal_mask(causal: Causal, tokens: usize, like: &Tensor<2>) -> Tensor<3, Bool> {
    let (device, start) = (like.device(), causal.start);
    let end = (start + tokens) as i64;
    let shape = [1, tokens, start + tokens];
    let queries = Tensor::<1, Int>::arange(start as i64..end, &device).reshape([1, tokens, 1]);
    let queries = queries.expand(shape);
    let keys = Tensor::<1, Int>::arange(0..end, &device).reshape([1, 1, start + tokens]);
    let keys = keys.expand(shape);
    let after = keys.clone().greater(queries.clone());
    match causal.window {
        None => after,
        Some(window) => after.bool_or(keys.add_scalar(window as i64).lower_equal(queries)),
    }
}
