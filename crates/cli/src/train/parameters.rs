//! A module's parameters as a flat list, in the order of its fields, which is the order of
//! `Config::weights`: what the optimizer, the checkpoints and the workers exchange.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

/// Every parameter, flattened.
pub fn values<M: Module>(module: &M) -> Vec<Tensor<1>> {
    let mut visitor = Values(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

/// The shape of every parameter.
pub fn shapes<M: Module>(module: &M) -> Vec<Vec<usize>> {
    let mut visitor = Shapes(Vec::new());
    module.visit(&mut visitor);
    visitor.0
}

/// The module with every parameter a leaf of a new autodiff graph. Each pass makes new leaves, so
/// that workers never share a graph.
pub fn leaves<M: Module>(module: &M) -> M {
    module.clone().map(&mut Leaves)
}

/// The gradient of every parameter of `leaves`, flattened; zero where the loss does not depend on it.
pub fn gradients<M: Module>(leaves: &M, gradients: &mut Gradients) -> Vec<Tensor<1>> {
    let mut visitor = Collect {
        gradients,
        found: Vec::new(),
    };
    leaves.visit(&mut visitor);
    visitor.found
}

/// The module with its parameters replaced by `values` (flattened, in order).
pub fn replace<M: Module>(module: M, values: Vec<Tensor<1>>) -> M {
    module.map(&mut Replace(values.into_iter()))
}

/// The values of a flattened tensor.
pub fn to_vec(tensor: &Tensor<1>) -> Vec<f32> {
    // Parameters are f32 tensors, on the CPU or on a GPU that has not been lost; reading them
    // succeeds.
    tensor
        .clone()
        .into_data()
        .try_into_vec::<f32>()
        .unwrap_or_default()
}

/// A flattened tensor on the device of `like`.
pub fn from_vec(values: Vec<f32>, like: &Tensor<1>) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &like.device())
}

struct Values(Vec<Tensor<1>>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let count = value.shape().num_elements();
        self.0.push(value.reshape([count]));
    }
}

struct Shapes(Vec<Vec<usize>>);

impl ModuleVisitor for Shapes {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(param.val().dims().to_vec());
    }
}

struct Leaves;

impl ModuleMapper for Leaves {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|value| value.autodiff().require_grad())
    }
}

struct Collect<'a> {
    gradients: &'a mut Gradients,
    found: Vec<Tensor<1>>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let count = value.shape().num_elements();
        let gradient = value
            .grad_remove(self.gradients)
            .unwrap_or_else(|| value.inner().zeros_like());
        self.found.push(gradient.reshape([count]));
    }
}

struct Replace(std::vec::IntoIter<Tensor<1>>);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| match self.0.next() {
            Some(new) => new.reshape(old.dims()),
            None => old,
        })
    }
}
