//! Attention of new tokens to the key/value cache on burn tensors.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor};

/// Score of a position that must not be attended to.
const MASKED: f32 = -1.0e30;

/// See [`crate::gpu::ops::causal_attention`].
pub fn causal_attention(
    heads: usize,
    start: usize,
    q: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Tensor<2> {
    let [tokens, channels] = q.dims();
    let [_, _, head_dim] = keys.dims();
    let v = values.clone().narrow(1, 0, start + tokens);
    weights(heads, start, q, keys)
        .matmul(v)
        .reshape([heads, tokens, head_dim])
        .swap_dims(0, 1)
        .reshape([tokens, channels])
}

/// What each value counts: `[key_heads, heads / key_heads * tokens, start + tokens]`.
pub(super) fn weights(heads: usize, start: usize, q: Tensor<2>, keys: &Tensor<3>) -> Tensor<3> {
    let [tokens, _] = q.dims();
    let [key_heads, _, head_dim] = keys.dims();
    let (group, seen) = (heads / key_heads, start + tokens);
    let k = keys.clone().narrow(1, 0, seen);
    let mask = (tokens > 1).then(|| causal_mask(start, tokens, &q));

    // A key/value head serves its group of query heads in one product.
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

/// `[1, tokens, start + tokens]`, true where a key lies after the query.
fn causal_mask(start: usize, tokens: usize, like: &Tensor<2>) -> Tensor<3, Bool> {
    let device = like.device();
    let end = (start + tokens) as i64;
    let queries = Tensor::<1, Int>::arange(start as i64..end, &device).reshape([1, tokens, 1]);
    let keys = Tensor::<1, Int>::arange(0..end, &device).reshape([1, 1, start + tokens]);
    keys.expand([1, tokens, start + tokens])
        .greater(queries.expand([1, tokens, start + tokens]))
}
