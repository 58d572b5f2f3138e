//! `y = x W^T + b`, with the weight as the release stores it, or quantised.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::QuantizedMatrix;
use crate::gpu::ops::{linear, quantized_linear};

/// A linear layer over the last axis.
#[derive(Module, Debug)]
pub struct Linear {
    weight: Weight,
    /// `[outputs]`.
    bias: Option<Param<Tensor<1>>>,
}

/// `[outputs, inputs]`.
#[derive(Module, Debug)]
enum Weight {
    Float(Param<Tensor<2>>),
    Quantized(Quantized),
}

/// Not trained: optimizers do not see it.
#[derive(Module, Debug)]
struct Quantized {
    #[module(skip)]
    matrix: QuantizedMatrix,
}

impl Linear {
    /// From a weight `[outputs, inputs]`.
    pub fn new(weight: Tensor<2>) -> Self {
        Linear {
            weight: Weight::Float(Param::from_tensor(weight)),
            bias: None,
        }
    }

    /// From a quantised weight `[outputs, inputs]`.
    pub fn quantized(matrix: QuantizedMatrix) -> Self {
        Linear {
            weight: Weight::Quantized(Quantized { matrix }),
            bias: None,
        }
    }

    /// The same with a bias `[outputs]`.
    pub fn with_bias(self, bias: Tensor<1>) -> Self {
        Linear {
            bias: Some(Param::from_tensor(bias)),
            ..self
        }
    }

    /// `[.., inputs]` -> `[.., outputs]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut dims = x.dims();
        let rows = dims[..D - 1].iter().product::<usize>();
        let x = x.reshape([rows, dims[D - 1]]);
        let mut y = match &self.weight {
            Weight::Float(weight) => linear(x, weight.val()),
            Weight::Quantized(weight) => quantized_linear(&weight.matrix, x),
        };
        if let Some(bias) = &self.bias {
            y = y + bias.val().unsqueeze();
        }
        dims[D - 1] = y.dims()[1];
        y.reshape(dims)
    }
}
