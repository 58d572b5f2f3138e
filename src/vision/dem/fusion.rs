//! Fuses the two maps (Tab. 5): rows of L' and of G' in, fused rows out, before the LayerNorm. The paper gives a
//! formula only for the first; the others are our interpretation.

use burn::module::{Module, Param};
use burn::tensor::activation::gelu;
use burn::tensor::{Int, Tensor};

use crate::error::Result;
use crate::load::Builder;
use crate::nn::Linear;
use crate::spec::{Fusion, Kind};
use crate::weights::tensors::Tensors;

/// `C -> C/16 -> GELU -> C/2`, one for each half of the fused channels.
#[derive(Module, Debug)]
pub struct FusionMlp {
    /// C -> C/16.
    pub down: Linear,
    /// C/16 -> C/2.
    pub up: Linear,
}

impl FusionMlp {
    async fn load<T: Tensors>(builder: &mut Builder<'_, '_, T>) -> Result<Self> {
        Ok(FusionMlp {
            down: builder.linear().await?,
            up: builder.linear().await?,
        })
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.up.forward(gelu(self.down.forward(x)))
    }
}

/// `concat(ffn_crop(L'), ffn_stride(G')) + G' + L'`: the release. The paper's equations 26 and 27 instead use one
/// linear layer C -> C/2 for each map, without the sum.
#[derive(Module, Debug)]
pub struct LinearConcat {
    /// For the locally enhanced map.
    pub ffn_crop: FusionMlp,
    /// For the globally enhanced map.
    pub ffn_stride: FusionMlp,
}

/// A 3 x 3 convolution of `concat(L', G')` on the map, zero-padded.
#[derive(Module, Debug)]
pub struct Conv3x3 {
    /// `[C, 2C, 3, 3]`.
    pub weight: Param<Tensor<4>>,
    /// `[C]`.
    pub bias: Param<Tensor<1>>,
}

/// `crop * L' + stride * G'`, with a learned weight for each channel of each map.
#[derive(Module, Debug)]
pub struct WeightedAddition {
    /// For the locally enhanced map, `[C]`.
    pub crop: Param<Tensor<1>>,
    /// For the globally enhanced map, `[C]`.
    pub stride: Param<Tensor<1>>,
}

/// Element-wise operations without weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The product.
    Multiplication,
    /// The maximum.
    Maximum,
    /// The sum.
    Addition,
}

/// An [`Operation`] as a module.
#[derive(Module, Debug)]
pub struct Elementwise {
    /// The operation.
    #[module(skip)]
    pub operation: Operation,
}

/// The fusion of a model, with its weights.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a model has one")]
pub enum FusionModule {
    /// The release's fusion.
    LinearConcat(LinearConcat),
    /// A convolution on the map.
    Conv3x3(Conv3x3),
    /// A weighted sum.
    WeightedAddition(WeightedAddition),
    /// Without weights.
    Elementwise(Elementwise),
}

impl FusionModule {
    pub(super) async fn load<T: Tensors>(
        fusion: Fusion,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        let elementwise = |operation| FusionModule::Elementwise(Elementwise { operation });
        Ok(match fusion {
            Fusion::LinearConcat => FusionModule::LinearConcat(LinearConcat {
                ffn_crop: FusionMlp::load(builder).await?,
                ffn_stride: FusionMlp::load(builder).await?,
            }),
            Fusion::Conv3x3 => FusionModule::Conv3x3(Conv3x3 {
                weight: Param::from_tensor(builder.tensor(Kind::Convolution).await?),
                bias: Param::from_tensor(builder.tensor(Kind::Bias).await?),
            }),
            Fusion::WeightedAddition => FusionModule::WeightedAddition(WeightedAddition {
                crop: Param::from_tensor(builder.tensor(Kind::Vector).await?),
                stride: Param::from_tensor(builder.tensor(Kind::Vector).await?),
            }),
            Fusion::Multiplication => elementwise(Operation::Multiplication),
            Fusion::Maxpool => elementwise(Operation::Maximum),
            Fusion::Addition => elementwise(Operation::Addition),
        })
    }

    /// `locally` L' and `globally` G', `[rows, C]` -> fused rows `[rows, C]`. If the fusion reads neighbouring
    /// positions, the fused rows are those that `neighbours` (of [`crate::vision::dem::selection::Selection`])
    /// describes.
    pub fn forward(
        &self,
        locally: Tensor<2>,
        globally: Tensor<2>,
        neighbours: &[Tensor<1, Int>],
    ) -> Tensor<2> {
        match self {
            FusionModule::LinearConcat(mlps) => {
                let halves = vec![
                    mlps.ffn_crop.forward(locally.clone()),
                    mlps.ffn_stride.forward(globally.clone()),
                ];
                Tensor::cat(halves, 1) + globally + locally
            }
            FusionModule::Conv3x3(conv) => {
                conv.forward(Tensor::cat(vec![locally, globally], 1), neighbours)
            }
            FusionModule::WeightedAddition(weights) => {
                locally * weights.crop.val().unsqueeze()
                    + globally * weights.stride.val().unsqueeze()
            }
            FusionModule::Elementwise(module) => match module.operation {
                Operation::Multiplication => globally * locally,
                Operation::Maximum => globally.max_pair(locally),
                Operation::Addition => globally + locally,
            },
        }
    }
}

impl Conv3x3 {
    /// One product for each of the nine neighbours, so that the map is never recombined.
    fn forward(&self, rows: Tensor<2>, neighbours: &[Tensor<1, Int>]) -> Tensor<2> {
        let [_, inputs] = rows.dims();
        let around = Tensor::zeros([1, inputs], &rows.device());
        let rows = Tensor::cat(vec![rows, around], 0);
        let weight = self.weight.val();
        let [outputs, ..] = weight.dims();
        let bias = self.bias.val().unsqueeze::<2>();
        neighbours
            .iter()
            .enumerate()
            .fold(bias, |sum, (index, neighbour)| {
                let (y, x) = (index / 3, index % 3);
                let weight = weight
                    .clone()
                    .slice([0..outputs, 0..inputs, y..y + 1, x..x + 1])
                    .reshape([outputs, inputs]);
                let rows = rows.clone().select(0, neighbour.clone());
                sum + rows.matmul(weight.transpose())
            })
    }
}
