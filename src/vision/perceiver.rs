//! VLSA's connector (the VLSA paper, section 3.1): the snapshot's features and one learnt query attend to the features of
//! all patches (eq. 1), then to one another (eq. 2); LLaVA's projector takes the result to the decoder.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::{silu, softmax};

use crate::error::Result;
use crate::load::Builder;
use crate::nn::Linear;
use crate::recorder::Recorder;
use crate::spec::{Kind, Layout, PerceiverSpec, Scores};
use crate::vision::mlp::Mlp;
use crate::weights::tensors::Tensors;

/// The connector. The fields are in the order of [`PerceiverSpec::weights`].
#[derive(Module, Debug)]
pub struct Perceiver {
    /// `[1, C]`.
    pub query: Param<Tensor<2>>,
    /// C -> C, of eq. 1: the matrix w_q.
    pub q_proj: Linear,
    /// C -> C: w_kv, for keys and values.
    pub kv_proj: Linear,
    /// C -> C: w_o1.
    pub out_proj: Linear,
    /// C -> C, of eq. 2: w_k.
    pub self_k_proj: Linear,
    /// C -> C: w_o2.
    pub self_out_proj: Linear,
    /// To the decoder's channels.
    pub projector: Mlp,
    /// What the paper leaves open.
    #[module(skip)]
    pub spec: PerceiverSpec,
}

impl Perceiver {
    /// Loads the connector.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &PerceiverSpec,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let read = async |builder: &mut Builder<'_, '_, T>| {
            Ok(Perceiver {
                query: Param::from_tensor(builder.tensor(Kind::Table).await?),
                q_proj: builder.linear().await?,
                kv_proj: builder.linear().await?,
                out_proj: builder.linear().await?,
                self_k_proj: builder.linear().await?,
                self_out_proj: builder.linear().await?,
                projector: Mlp::read(&spec.projector, builder).await?,
                spec: spec.clone(),
            })
        };
        builder.part(spec.weights(), read).await
    }

    /// Features `[1 + m, l, C]`, the snapshot's first -> visual tokens `[l, hidden]`.
    pub fn forward(
        &self,
        features: Tensor<3>,
        layout: &Layout,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        let [views, tokens, channels] = features.dims();
        let snapshot = features.clone().narrow(0, 0, 1).flatten::<2>(0, 1);
        // A picture of one patch is its own snapshot, and encoded once.
        let patches = match views {
            1 => features,
            _ => features.narrow(0, 1, views - 1),
        };
        let patches = patches.flatten::<2>(0, 1);
        let rows = Tensor::cat(vec![snapshot, self.query.val()], 0);

        let keys = self.kv_proj.forward(patches);
        let scores = self.scores(self.q_proj.forward(rows.clone()), keys.clone());
        let weights = self.weights(scores, self.spec.activation);
        let rows = self.out_proj.add_to(rows, product(weights, keys));
        recorder.keep("sa_cross", &rows);

        let keys = self.self_k_proj.forward(rows.clone());
        let scores = self.scores(rows.clone(), keys);
        let weights = self.weights(scores, self.spec.self_activation);
        let values = product(weights, rows.clone());
        let rows = self.self_out_proj.add_to(rows, values);
        let output = rows.clone().narrow(0, 0, tokens);
        recorder.keep("sa_output", &output);
        recorder.keep("sa_global", &rows.narrow(0, tokens, 1));
        let output = output.reshape([1, tokens, channels]);
        self.projector.forward(output, layout, recorder)
    }

    /// `[queries, C]` and `[keys, C]` -> `[queries, keys]`.
    fn scores(&self, queries: Tensor<2>, keys: Tensor<2>) -> Tensor<2> {
        let [_, channels] = queries.dims();
        let scores = Linear::new(keys).forward(queries);
        match self.spec.has_score_scale {
            true => scores.div_scalar((channels as f32).sqrt()),
            false => scores,
        }
    }

    fn weights(&self, scores: Tensor<2>, activation: Scores) -> Tensor<2> {
        let [_, keys] = scores.dims();
        let weights = match activation {
            Scores::Silu => silu(scores),
            Scores::Softmax => return softmax(scores, 1),
            Scores::Identity => scores,
        };
        match self.spec.has_mean_over_keys {
            true => weights.div_scalar(keys as f32),
            false => weights,
        }
    }
}

/// `weights` `[queries, keys]` by `values` `[keys, C]`, by the same kernel as a linear layer. It reads four columns at
/// once, so some keys of no weight are added.
fn product(weights: Tensor<2>, values: Tensor<2>) -> Tensor<2> {
    let ([queries, keys], [_, channels]) = (weights.dims(), values.dims());
    let more = keys.next_multiple_of(4) - keys;
    let (mut weights, mut values) = (weights, values);
    if more > 0 {
        let device = weights.device();
        weights = Tensor::cat(vec![weights, Tensor::zeros([queries, more], &device)], 1);
        values = Tensor::cat(vec![values, Tensor::zeros([more, channels], &device)], 0);
    }
    Linear::new(values.transpose()).forward(weights)
}
