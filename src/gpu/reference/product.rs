//! The fused operations of a matrix product, on burn tensors.

use std::f64::consts::FRAC_2_PI;

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, sigmoid, silu};

use super::rms_norm;
use crate::gpu::ops::Fused;
use crate::spec::Activation;

/// See [`crate::gpu::ops::product`]; `bare` is the plain product.
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
    if let Some(activation) = fused.activation {
        y = match activation {
            Activation::QuickGelu => y.clone() * sigmoid(y.mul_scalar(1.702)),
            Activation::Gelu => gelu(y),
            Activation::GeluTanh => gelu_tanh(y),
        };
    }
    match fused.residual {
        Some(residual) => y + residual,
        None => y,
    }
}

/// `0.5 y (1 + tanh(sqrt(2 / pi) (y + 0.044715 y^3)))`, written as y times a sigmoid.
fn gelu_tanh(y: Tensor<2>) -> Tensor<2> {
    let cube = y.clone().powi_scalar(3).mul_scalar(0.044_715);
    let inner = (y.clone() + cube).mul_scalar(2.0 * FRAC_2_PI.sqrt());
    y * sigmoid(inner)
}

/// Splits `[rows, 2 outputs]` into gate and up: `silu(gate) * up`, `[rows, outputs]`.
pub fn gated(y: Tensor<2>) -> Tensor<2> {
    let outputs = y.dims()[1] / 2;
    silu(y.clone().narrow(1, 0, outputs)) * y.narrow(1, outputs, outputs)
}
