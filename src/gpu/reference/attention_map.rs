//! What tokens attend to, on burn tensors.

use std::ops::Range;

use burn::tensor::Tensor;

use super::causal_attention::weights;

/// See [`crate::gpu::ops::attention_map`].
pub fn attention_map(
    heads: usize,
    start: usize,
    q: Tensor<2>,
    keys: &Tensor<3>,
    window: Range<usize>,
) -> Tensor<3> {
    let [tokens, _] = q.dims();
    let seen = start + tokens;
    let mut all = weights(heads, start, q, keys).reshape([heads, tokens, seen]);
    if window.end > seen {
        // Keys behind the last have no weight.
        let none = Tensor::zeros([heads, tokens, window.end - seen], &all.device());
        all = Tensor::cat(vec![all, none], 2);
    }
    all.narrow(2, window.start, window.len()).swap_dims(0, 1)
}
