//! The projector: vision channels -> embedding of the decoder.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::gelu;

use crate::error::Result;
use crate::load::Builder;
use crate::nn::Linear;
use crate::weights::tensors::Tensors;

/// `mlp2x_gelu`.
#[derive(Module, Debug)]
pub struct Projector {
    /// C -> hidden.
    pub first: Linear,
    /// hidden -> hidden.
    pub second: Linear,
}

impl Projector {
    pub(super) async fn load<T: Tensors>(builder: &mut Builder<'_, '_, T>) -> Result<Self> {
        Ok(Projector {
            first: builder.linear().await?,
            second: builder.linear().await?,
        })
    }

    /// `[tokens, C]` -> `[tokens, hidden]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.second.forward(gelu(self.first.forward(x)))
    }
}
