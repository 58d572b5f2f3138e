//! Normalisations over the last axis.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::gpu::ops::{Fused, layer_norm, rms_norm};

/// `(x - mean) / sqrt(variance + eps) * weight + bias`, biased variance.
#[derive(Module, Debug)]
pub struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    eps: f64,
}

impl LayerNorm {
    /// From a weight and a bias, each `[channels]`.
    pub fn new(weight: Tensor<1>, bias: Tensor<1>, eps: f64) -> Self {
        LayerNorm {
            weight: Param::from_tensor(weight),
            bias: Param::from_tensor(bias),
            eps,
        }
    }

    /// `[.., channels]` -> the same.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let dims = x.dims();
        let (weight, bias) = (self.weight.val(), self.bias.val());
        layer_norm(rows(x), weight, bias, self.eps).reshape(dims)
    }
}

/// `x / sqrt(mean(x^2) + eps) * weight`.
#[derive(Module, Debug)]
pub struct RmsNorm {
    weight: Param<Tensor<1>>,
    eps: f64,
}

impl RmsNorm {
    /// From a weight `[channels]`.
    pub fn new(weight: Tensor<1>, eps: f64) -> Self {
        RmsNorm {
            weight: Param::from_tensor(weight),
            eps,
        }
    }

    /// `[.., channels]` -> the same.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let dims = x.dims();
        rms_norm(rows(x), self.weight.val(), self.eps).reshape(dims)
    }

    /// `fused` with this norm before the product.
    pub fn before(&self, fused: Fused) -> Fused {
        Fused {
            norm: Some((self.weight.val(), self.eps)),
            ..fused
        }
    }
}

fn rows<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let dims = x.dims();
    let channels = dims[D - 1];
    let count = dims[..D - 1].iter().product::<usize>();
    x.reshape([count, channels])
}
