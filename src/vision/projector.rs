//! The projector (spec/model.md, section 6): vision channels -> embedding of the decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;

use crate::nn::Linear;

/// `mlp2x_gelu`.
#[derive(Module, Debug)]
pub struct Projector {
    /// C -> hidden.
    pub first: Linear,
    /// hidden -> hidden.
    pub second: Linear,
}

impl Projector {
    /// `[tokens, C]` -> `[tokens, hidden]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward(gelu(self.first.forward(x)))
    }
}
