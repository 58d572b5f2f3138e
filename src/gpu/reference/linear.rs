//! Products with f32 matrices, on burn tensors.

use burn::tensor::Tensor;

/// `x W^T`: see [`crate::gpu::ops::product`].
pub fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    x.matmul(weight.transpose())
}
