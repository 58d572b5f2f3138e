//! The connector: features of the views -> visual tokens.

use super::ablation::{Ablation, Dem, Directions, Fusion};
use super::weights::{Kind, Weight, Weights};

/// Prefix of the enhancement module's tensors.
pub const DEM: &str = "model.spatial_embed";
/// Prefix of the projector's tensors.
pub const PROJECTOR: &str = "model.mm_projector";
/// Prefix of SmolVLM's connector's tensors.
pub const SHUFFLE: &str = "model.connector";

/// How features become visual tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum Connector {
    /// INF-LLaVA's, for the views of [`super::Tiling::Dual`].
    Dem(DemSpec),
    /// SmolVLM's, for views that do not see one another.
    Shuffle(ShuffleSpec),
}

impl Connector {
    /// The tensors that are read, in the order of the module's fields.
    pub fn weights(&self) -> Vec<Weight> {
        match self {
            Connector::Dem(dem) => dem.weights(),
            Connector::Shuffle(shuffle) => shuffle.weights(),
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
