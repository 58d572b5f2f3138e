//! `y = x W^T + b`, with the weight as in the release, or quantised.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::RmsNorm;
use crate::gpu::ops::{Fused, Matrix, product};
use crate::gpu::quantized::QuantizedMatrix;

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

/// Not trainable: optimizers do not see it.
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

    /// Adds a bias `[outputs]`, if there is one.
    pub fn with_bias(self, bias: Option<Tensor<1>>) -> Self {
        Linear {
            bias: bias.map(Param::from_tensor),
            ..self
        }
    }

    /// `[.., inputs]` -> `[.., outputs]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut dims = x.dims();
        let rows = dims[..D - 1].iter().product::<usize>();
        let y = self.forward_fused(x.reshape([rows, dims[D - 1]]), Fused::default());
        dims[D - 1] = y.dims()[1];
        y.reshape(dims)
    }

    /// `[rows, inputs]` -> `[rows, outputs]`, with this layer's bias and the other operations in `fused`.
    pub fn forward_fused(&self, x: Tensor<2>, fused: Fused) -> Tensor<2> {
        let fused = Fused {
            bias: self.bias.as_ref().map(Param::val),
            ..fused
        };
        match &self.weight {
            Weight::Float(weight) => product(x, &Matrix::Float(weight.val()), fused),
            Weight::Quantized(weight) => product(x, &Matrix::Quantized(&weight.matrix), fused),
        }
    }

    /// `residual + forward(x)`, all `[rows, ..]`.
    pub fn add_to(&self, residual: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let residual = Some(residual);
        self.forward_fused(
            x,
            Fused {
                residual,
                ..Fused::default()
            },
        )
    }
}

/// Layers that share an input: joined into one matrix on a GPU, so that one launch computes all of them; otherwise
/// separate (the CPU reads quantised ones in place from the file; training needs separate parameters).
#[derive(Module, Debug)]
pub enum Stacked {
    /// One matrix.
    Joined(Linear),
    /// One matrix per layer.
    Apart(Vec<Linear>),
}

impl Stacked {
    /// The concatenated outputs of all layers for the normalised `x` `[rows, inputs]`.
    pub fn forward(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        match self {
            Stacked::Joined(linear) => linear.forward_fused(x, norm.before(Fused::default())),
            Stacked::Apart(linears) => {
                let x = norm.forward(x);
                let each = linears.iter().map(|linear| linear.forward(x.clone()));
                Tensor::cat(each.collect(), 1)
            }
        }
    }

    /// For a gate and an up projection: `silu(gate) * up` of the normalised `x` `[rows, inputs]`.
    pub fn gated(&self, x: Tensor<2>, norm: &RmsNorm) -> Tensor<2> {
        let fused = Fused {
            gated: true,
            ..Fused::default()
        };
        match self {
            Stacked::Joined(linear) => linear.forward_fused(x, norm.before(fused)),
            Stacked::Apart(_) => crate::gpu::reference::gated(self.forward(x, norm)),
        }
    }
}
