//! The tensors of a model, each defined once: a part lists the tensors that it reads, in the order of its module's
//! fields. The estimate, the conversion, the loading and training's parameter order all use this list.

use std::fmt::Display;

/// The role of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The matrix of a linear layer, `[outputs, inputs]`.
    Matrix,
    /// The matrix of a linear layer in the decoder, where 4 bits are precise enough.
    LayerMatrix,
    /// The bias of the preceding linear layer or norm, `[outputs]`.
    Bias,
    /// The scale of a norm, `[channels]`.
    Norm,
    /// Rows that are added by position, `[rows, channels]`: position embeddings.
    Table,
    /// Token embeddings, `[vocabulary, channels]`, of which few rows are looked up.
    Embeddings,
    /// Token embeddings whose matrix also gives the logits.
    TiedEmbeddings,
    /// The kernel of a convolution, `[outputs, inputs, height, width]`.
    Convolution,
    /// One value per channel, `[channels]`.
    Vector,
}

/// A tensor that a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Its name in the checkpoint.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Its role.
    pub kind: Kind,
}

impl Weight {
    /// The number of its values.
    pub fn numbers(&self) -> u64 {
        self.shape.iter().map(|&side| side as u64).product()
    }
}

/// The total number of values in `weights`.
pub fn parameters(weights: &[Weight]) -> u64 {
    weights.iter().map(Weight::numbers).sum()
}

/// Builds a list of weights.
pub struct Weights {
    prefix: String,
    list: Vec<Weight>,
}

impl Weights {
    /// An empty list of tensors whose names begin with `prefix` and a dot.
    pub fn below(prefix: &str) -> Self {
        Weights {
            prefix: prefix.into(),
            list: Vec::new(),
        }
    }

    /// Adds the weights that `part` adds, with `name` appended to the prefix.
    pub fn within(&mut self, name: impl Display, part: impl FnOnce(&mut Weights)) {
        let outer = self.prefix.len();
        self.prefix += &format!(".{name}");
        part(self);
        self.prefix.truncate(outer);
    }

    /// Adds one tensor.
    pub fn add(&mut self, name: impl Display, kind: Kind, shape: &[usize]) {
        let name = format!("{}.{name}", self.prefix);
        let shape = shape.to_vec();
        self.list.push(Weight { name, shape, kind });
    }

    /// Adds a linear layer with a bias.
    pub fn linear(&mut self, name: impl Display, inputs: usize, outputs: usize) {
        self.matrix(&name, inputs, outputs);
        self.add(format_args!("{name}.bias"), Kind::Bias, &[outputs]);
    }

    /// Adds the matrix of a linear layer without bias.
    pub fn matrix(&mut self, name: impl Display, inputs: usize, outputs: usize) {
        let name = format_args!("{name}.weight");
        self.add(name, Kind::Matrix, &[outputs, inputs]);
    }

    /// Adds the matrix of a linear layer without bias, in a layer of the decoder.
    pub fn layer_matrix(&mut self, name: impl Display, inputs: usize, outputs: usize) {
        let name = format_args!("{name}.weight");
        self.add(name, Kind::LayerMatrix, &[outputs, inputs]);
    }

    /// Adds a LayerNorm.
    pub fn layer_norm(&mut self, name: impl Display, channels: usize) {
        self.rms_norm(&name, channels);
        self.add(format_args!("{name}.bias"), Kind::Bias, &[channels]);
    }

    /// Adds an RMSNorm, which has no bias.
    pub fn rms_norm(&mut self, name: impl Display, channels: usize) {
        self.add(format_args!("{name}.weight"), Kind::Norm, &[channels]);
    }

    /// The weights, in the order they were added.
    pub fn into_list(self) -> Vec<Weight> {
        self.list
    }
}
