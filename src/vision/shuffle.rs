//! SmolVLM's connector: pixel shuffle, and one matrix to the decoder's channels.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Result;
use crate::load::Builder;
use crate::nn::Linear;
use crate::recorder::Recorder;
use crate::spec::ShuffleSpec;
use crate::weights::tensors::Tensors;

/// The connector. The fields are in the order of [`ShuffleSpec::weights`].
#[derive(Module, Debug)]
pub struct Shuffle {
    /// s * s * C -> hidden.
    pub proj: Linear,
    /// Patches along a side of the square that becomes a token, s.
    pub scale: usize,
}

impl Shuffle {
    /// Loads the connector.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &ShuffleSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let read = async |builder: &mut Builder<'_, '_, T>| {
            Ok(Shuffle {
                proj: builder.linear().await?,
                scale: spec.scale,
            })
        };
        builder.part(spec.weights(), read).await
    }

    /// Features `[views, h * h, C]` -> `[views * (h / s)², s * s * C]`: of each token the patches of its square, row by
    /// row (transformers' `pixel_shuffle` of SmolVLM).
    fn shuffled(&self, features: Tensor<3>) -> Tensor<2> {
        let [views, patches, channels] = features.dims();
        let (s, side) = (self.scale, patches.isqrt() / self.scale);
        features
            .reshape([views * side, s, side, s * channels])
            .swap_dims(1, 2)
            .reshape([views * side * side, s * s * channels])
    }

    /// Features `[views, h * h, C]` -> visual tokens `[views * (h / s)², hidden]`, view by view.
    pub fn forward(&self, features: Tensor<3>, recorder: &mut Recorder) -> Tensor<2> {
        let [views, ..] = features.dims();
        let shuffled = self.shuffled(features);
        let [tokens, _] = shuffled.dims();
        let first = shuffled.clone().narrow(0, 0, tokens / views);
        recorder.keep("shuffled_view0", &first);
        let visual_tokens = self.proj.forward(shuffled);
        recorder.keep("visual_tokens", &visual_tokens);
        visual_tokens
    }
}
