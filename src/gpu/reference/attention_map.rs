//! Attention weights for display, on burn tensors.

use std::ops::Range;

use burn::tensor::Tensor;

use super::causal_attention::weights;
use crate::gpu::ops::Causal;

/// See [`crate::gpu::ops::attention_map`].
pub fn attention_map(
    causal: Causal,
    q: Tensor<2>,
    keys: &Tensor<3>,
    asked: Range<usize>,
) -> Tensor<3> {
    let [tokens, _] = q.dims();
    let Causal { heads, start, .. } = causal;
    let seen = start + tokens;
    let mut all = weights(causal, q, keys).reshape([heads, tokens, seen]);
    if asked.end > seen {
        // Keys after the last visible one have weight 0.
        let none = Tensor::zeros([heads, tokens, asked.end - seen], &all.device());
        all = Tensor::cat(vec![all, none], 2);
    }
    all.narrow(2, asked.start, asked.len()).swap_dims(0, 1)
}
