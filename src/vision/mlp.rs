//! LLaVA's connector: each feature through one or two layers, and a newline token where the tiling places some.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::error::Result;
use crate::gpu::ops::Fused;
use crate::load::Builder;
use crate::nn::Linear;
use crate::recorder::Recorder;
use crate::spec::{Activation, Kind, Layout, MlpSpec};
use crate::vision::packing::packed;
use crate::weights::tensors::Tensors;

/// The connector. The fields are in the order of [`MlpSpec::weights`].
#[derive(Module, Debug)]
pub struct Mlp {
    /// Channels of a feature -> hidden.
    pub first: Linear,
    /// hidden -> hidden, behind a GELU.
    pub second: Option<Linear>,
    /// `[hidden]`.
    pub newline: Option<Param<Tensor<1>>>,
}

impl Mlp {
    /// Loads the connector.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &MlpSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let read = async |builder: &mut Builder<'_, '_, T>| Self::read(spec, builder).await;
        builder.part(spec.weights(), read).await
    }

    /// Reads the next tensors of a part's list.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub(super) async fn read<T: Tensors>(
        spec: &MlpSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        Ok(Mlp {
            first: builder.linear().await?,
            second: match spec.has_second {
                true => Some(builder.linear().await?),
                false => None,
            },
            newline: match spec.has_newline {
                true => Some(Param::from_tensor(builder.tensor(Kind::Vector).await?)),
                false => None,
            },
        })
    }

    /// Features `[views, tokens, channels]` -> visual tokens `[tokens, hidden]`, packed as `layout` says.
    pub fn forward(
        &self,
        features: Tensor<3>,
        layout: &Layout,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        let [views, tokens, channels] = features.dims();
        let projected = self.project(features.reshape([views * tokens, channels]));
        let hidden = projected.dims()[1];
        let projected = projected.reshape([views, tokens, hidden]);
        recorder.keep("projected", &projected);
        let newline = self.newline.as_ref().map(Param::val);
        let visual_tokens = packed(projected, &layout.packing, newline);
        recorder.keep("visual_tokens", &visual_tokens);
        visual_tokens
    }

    fn project(&self, features: Tensor<2>) -> Tensor<2> {
        match &self.second {
            None => self.first.forward(features),
            Some(second) => {
                let activation = Fused {
                    activation: Some(Activation::Gelu),
                    ..Fused::default()
                };
                second.forward(self.first.forward_fused(features, activation))
            }
        }
    }
}
