//! What is fused into a matrix product, on burn tensors.

use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, silu};

use super::rms_norm;
use crate::gpu::ops::Fused;

/// See [`crate::gpu::ops::product`]; `bare` is the product by itself.
pub fn product(x: Tensor<2>, fused: Fused, bare: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let x = match fused.norm {
        Some((weight, eps)) => rms_norm(x, weight, eps),
        None => x,
    };
    let mut y = bare(x);
    if fused.gated {
        y = gated(y);
    }
    if let Some(bias) = fused.bias {
        y = y + bias.unsqueeze();
    }
    if fused.quick_gelu {
        y = y.clone() * sigmoid(y.mul_scalar(1.702));
    }
    match fused.residual {
        Some(residual) => y + residual,
        None => y,
    }
}

/// A gate and what it gates, `[rows, 2 outputs]` -> `silu(gate) * up`, `[rows, outputs]`.
pub fn gated(y: Tensor<2>) -> Tensor<2> {
    let outputs = y.dims()[1] / 2;
    silu(y.clone().narrow(1, 0, outputs)) * y.narrow(1, outputs, outputs)
}
