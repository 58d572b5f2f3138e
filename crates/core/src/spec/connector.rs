//! The connector: features of the views -> visual tokens.

use super::ablation::{Ablation, Dem, Directions, Fusion};
use super::weights::{Kind, Weight, Weights};

/// Prefix of the enhancement module's tensors.
pub const DEM: &str = "model.spatial_embed";
/// Prefix of the projector's tensors.
pub const PROJECTOR: &str = "model.mm_projector";
/// Prefix of SmolVLM's connector's tensors.
pub const SHUFFLE: &str = "model.connector";
/// Prefix of VLSA's perceiver's tensors.
pub const PERCEIVER: &str = "model.sa_perceiver";
/// LLaVA's newline token: a row of the decoder's channels.
pub const NEWLINE: &str = "model.image_newline";

/// How features become visual tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Connector {
    /// INF-LLaVA's, for the views of [`super::Tiling::Dual`].
    Dem(DemSpec),
    /// SmolVLM's, for views that do not see one another.
    Shuffle(ShuffleSpec),
    /// LLaVA's: each feature through one or two layers.
    Mlp(MlpSpec),
    /// VLSA's: the views into the first of them, then LLaVA's.
    Perceiver(PerceiverSpec),
}

impl Connector {
    /// The tensors that are read, in the order of the module's fields.
    pub fn weights(&self) -> Vec<Weight> {
        match self {
            Connector::Dem(dem) => dem.weights(),
            Connector::Shuffle(shuffle) => shuffle.weights(),
            Connector::Mlp(mlp) => mlp.weights(),
            Connector::Perceiver(perceiver) => perceiver.weights(),
        }
    }
}

/// The sizes of SmolVLM's connector: the features of a square of patches become one token (pixel shuffle), and a matrix
/// takes that to the decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct ShuffleSpec {
    /// Channels C of the tower.
    pub inputs: usize,
    /// Channels D of the decoder.
    pub outputs: usize,
    /// Patches along a side of the square, s.
    pub scale: usize,
}

impl ShuffleSpec {
    /// The tensors that are read, in the order of the fields of `vision::shuffle::Shuffle`.
    pub fn weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(SHUFFLE);
        let inputs = self.inputs * self.scale.pow(2);
        weights.matrix("modality_projection.proj", inputs, self.outputs);
        weights.into_list()
    }
}

/// LLaVA's projector, and its newline token.
#[derive(Debug, Clone, PartialEq)]
pub struct MlpSpec {
    /// Channels of a feature.
    pub inputs: usize,
    /// Channels D of the decoder.
    pub outputs: usize,
    /// Whether a GELU and a second layer follow the first (`mlp2x_gelu`), or nothing does (`linear`).
    pub has_second: bool,
    /// Whether the layers have biases.
    pub has_bias: bool,
    /// Whether there is a newline token, for tilings that place some.
    pub has_newline: bool,
}

impl MlpSpec {
    /// The tensors that are read, in the order of the fields of `vision::mlp::Mlp`. Named as in the original layout.
    pub fn weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(PROJECTOR);
        let linear = |weights: &mut Weights, name: &str, inputs| match self.has_bias {
            true => weights.linear(name, inputs, self.outputs),
            false => weights.matrix(name, inputs, self.outputs),
        };
        linear(&mut weights, "0", self.inputs);
        if self.has_second {
            linear(&mut weights, "2", self.outputs);
        }
        let mut weights = weights.into_list();
        if self.has_newline {
            weights.push(Weight {
                name: NEWLINE.into(),
                shape: vec![self.outputs],
                kind: Kind::Vector,
            });
        }
        weights
    }
}

/// VLSA's compressive encoding (the VLSA paper, section 3.1): the snapshot's features, and one learnt query, attend to
/// all patches' features, then to one another. Here are the choices that the paper leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct PerceiverSpec {
    /// What follows it.
    pub projector: MlpSpec,
    /// On the scores of equation 1.
    pub activation: Scores,
    /// On the scores of equation 2.
    pub self_activation: Scores,
    /// Whether scores are divided by the root of the number of channels; as printed they are not.
    pub has_score_scale: bool,
    /// Whether a sum over keys is divided by their number, unless it is by softmax; as printed it is not.
    pub has_mean_over_keys: bool,
}

/// What is applied to the scores of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scores {
    /// `x sigmoid(x)`.
    Silu,
    /// Weights that sum up to 1.
    Softmax,
    /// The scores themselves.
    Identity,
}

impl PerceiverSpec {
    /// The tensors that are read, in the order of the fields of `vision::perceiver::Perceiver`.
    pub fn weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(PERCEIVER);
        let channels = self.projector.inputs;
        weights.add("query", Kind::Table, &[1, channels]);
        for name in [
            "q_proj",
            "kv_proj",
            "out_proj",
            "self_k_proj",
            "self_out_proj",
        ] {
            weights.matrix(name, channels, channels);
        }
        [weights.into_list(), self.projector.weights()].concat()
    }
}

/// The sizes and choices of INF-LLaVA's connector: the dual-perspective enhancement (DEM), the mean with the low
/// resolution, and the projector.
#[derive(Debug, Clone, PartialEq)]
pub struct DemSpec {
    /// Channels C of the tower.
    pub inputs: usize,
    /// Channels D of the decoder.
    pub outputs: usize,
    /// Epsilon of the LayerNorms, equal to the tower's.
    pub layer_norm_eps: f64,
    /// Heads of the enhancement's attention.
    pub heads: usize,
    /// What is computed between tower and projector.
    pub ablation: Ablation,
}

impl DemSpec {
    /// The tensors that are read, in the order of the fields of `vision::dem::DemConnector`.
    pub fn weights(&self) -> Vec<Weight> {
        [self.enhancement_weights(), self.projector_weights()].concat()
    }

    /// The tensors of the enhancement; none if there is none. Named as in the release, with our own names for what
    /// the release lacks.
    pub fn enhancement_weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(DEM);
        let (c, ablation) = (self.inputs, &self.ablation);
        if !ablation.modules.has_enhancement() {
            return weights.into_list();
        }
        for attention in self.attentions() {
            weights.within(attention, |weights| {
                for index in 0..4 {
                    weights.linear(format_args!("linears.{index}"), c, c);
                }
                weights.layer_norm("ln", c);
            });
        }
        match ablation.fusion {
            Fusion::LinearConcat => {
                for ffn in ["ffn_crop", "ffn_stride"] {
                    weights.linear(format_args!("{ffn}.0"), c, c / 16);
                    weights.linear(format_args!("{ffn}.2"), c / 16, c / 2);
                }
            }
            Fusion::Conv3x3 => {
                weights.add("conv_fuse.weight", Kind::Convolution, &[c, 2 * c, 3, 3]);
                weights.add("conv_fuse.bias", Kind::Bias, &[c]);
            }
            Fusion::WeightedAddition => {
                for weight in ["weight_crop", "weight_stride"] {
                    weights.add(weight, Kind::Vector, &[c]);
                }
            }
            Fusion::Multiplication | Fusion::Maxpool | Fusion::Addition => {}
        }
        weights.layer_norm("ln_fuse", c);
        weights.into_list()
    }

    /// The tensors of the projector.
    pub fn projector_weights(&self) -> Vec<Weight> {
        let mut weights = Weights::below(PROJECTOR);
        weights.linear("0", self.inputs, self.outputs);
        weights.linear("2", self.outputs, self.outputs);
        weights.into_list()
    }

    /// Names of the attention modules: one for both directions; where they have separate weights, one for the global
    /// direction, or the only one, and one for the local direction.
    pub fn attentions(&self) -> &'static [&'static str] {
        match (self.ablation.dem, self.ablation.directions) {
            (Dem::Released, _) => &["attention"],
            (Dem::Paper, Directions::Both) => &["attention_global", "attention_local"],
            (Dem::Paper, Directions::Global) => &["attention_global"],
            (Dem::Paper, Directions::Local) => &["attention_local"],
        }
    }
}
