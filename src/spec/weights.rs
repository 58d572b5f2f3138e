//! The tensors of a model, each named once: a part lists those that it reads in the order of its module's fields. The
//! estimate, the conversion, the loading and the order of training's parameters all walk this list.

use std::fmt::Display;

/// What a tensor is to the part that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The matrix of a linear layer, `[outputs, inputs]`.
    Matrix,
    /// Such a matrix in a layer of the decoder, where 4 bits are enough.
    LayerMatrix,
    /// The bias of the linear layer or the norm before it, `[outputs]`.
    Bias,
    /// The scale of a norm, `[channels]`.
    Norm,
    /// Rows that are added by their number, `[rows, channels]`: positions.
    Table,
    /// The embeddings of tokens, `[vocabulary, channels]`, of which few rows are looked up.
    Embeddings,
    /// Such embeddings whose matrix gives the logits too.
    TiedEmbeddings,
    /// The kernel of a convolution, `[outputs, inputs, height, width]`.
    Convolution,
    /// One number a channel, `[channels]`.
    Vector,
}

/// A tensor that a model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// As the checkpoint calls it.
    pub name: String,
    /// Row-major.
    pub shape: Vec<usize>,
    /// What it is.
    pub kind: Kind,
}

impl Weight {
    /// How many numbers it has.
    pub fn numbers(&self) -> u64 {
        self.shape.iter().map(|&side| side as u64).product()
    }
}

/// How many numbers `weights` have together.
pub fn parameters(weights: &[Weight]) -> u64 {
    weights.iter().map(Weight::numbers).sum()
}

/// A list that is being written, part by part.
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

    /// Adds what `part` adds, all of it below `name`.
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
        self.add(
            format_args!("{name}.weight"),
            Kind::Matrix,
            &[outputs, inputs],
        );
        self.add(format_args!("{name}.bias"), Kind::Bias, &[outputs]);
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

    /// What was added, in order.
    pub fn into_list(self) -> Vec<Weight> {
        self.list
    }
}
