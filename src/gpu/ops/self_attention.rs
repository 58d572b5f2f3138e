//! Self-attention of the vision tower: `shaders/dem_attention.wgsl`, whose strided sets are the crops, or the reference
//! body.

use burn::tensor::Tensor;

use super::dem_attention::{Cut, KERNEL, MAX_HEAD_DIM, MAX_TILES, QUERIES};
use crate::gpu::kernel::{GpuTensor, launch};
use crate::gpu::reference;

/// `softmax(Q K^T / sqrt(head_dim)) V` within each crop. `q`, `k`, `v` and the result are `[crops, tokens, C]`. f32.
pub fn self_attention(heads: usize, q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    let [crops, tokens, channels] = q.dims();
    let head_dim = channels / heads;
    let buffers = (
        GpuTensor::from_float(&q),
        GpuTensor::from_float(&k),
        GpuTensor::from_float(&v),
    );
    let (Some(q), Some(k), Some(v), true) =
        (buffers.0, buffers.1, buffers.2, head_dim <= MAX_HEAD_DIM)
    else {
        return reference::self_attention(heads, q, k, v);
    };
    // One residue and no tile: what places positions of a map is not asked for.
    let strided = Cut::Strided.code();
    let mut params = vec![1, 0, 0, 1, 1, strided, heads as u32, head_dim as u32];
    params.extend([(1.0 / (head_dim as f32).sqrt()).to_bits(), tokens as u32]);
    params.resize(12 + MAX_TILES, 0);
    let groups = [tokens.div_ceil(QUERIES), crops, heads].map(|count| count as u32);
    launch(
        KERNEL,
        &[q, k, v],
        [crops, tokens, channels],
        groups,
        &params,
    )
}
