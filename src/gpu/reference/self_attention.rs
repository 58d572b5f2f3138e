//! Self-attention of the vision tower on burn tensors.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// See [`crate::gpu::ops::self_attention`].
pub fn self_attention(heads: usize, q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    let [crops, tokens, channels] = q.dims();
    let head_dim = channels / heads;
    let by_head = |y: Tensor<3>| y.reshape([crops, tokens, heads, head_dim]).swap_dims(1, 2);
    let q = by_head(q).mul_scalar(1.0 / (head_dim as f32).sqrt());
    let weights = softmax(q.matmul(by_head(k).swap_dims(2, 3)), 3);
    let mixed = weights.matmul(by_head(v)).swap_dims(1, 2);
    mixed.reshape([crops, tokens, channels])
}
