//! What the training loop optimizes: the loss of a batch's units, and measures for the log.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;

use inf_llava::error::Result;
use inf_llava::spec::Weight;

/// Sums and counts by name, for the log, which shows their quotients.
pub type Measures = BTreeMap<&'static str, (f64, f64)>;

/// Adds `more` to `measures`, name by name.
pub fn add_measures(measures: &mut Measures, more: Measures) {
    for (name, (sum, count)) in more {
        let entry = measures.entry(name).or_insert((0.0, 0.0));
        entry.0 += sum;
        entry.1 += count;
    }
}

/// The loss of one unit of a batch.
pub struct Loss {
    /// `[1]`, summed.
    pub sum: Tensor<1>,
    /// The divisor of the sum over all units: tokens, or units.
    pub weight: f64,
    /// Number of samples: crops, or pictures.
    pub samples: usize,
    /// Measures for the log.
    pub measures: Measures,
}

/// A training task. A unit depends only on the step and its number, so that a resumed run gets the
/// same units as an uninterrupted one.
pub trait Task: Sync {
    /// The modules that are trained.
    type Trained: Module + Sync;

    /// Names and shapes of their parameters, in the order of the fields.
    fn weights(&self) -> Vec<Weight>;

    /// Units per step.
    fn units(&self) -> usize;

    /// The loss of a unit; the parameters of `trained` are autodiff leaves.
    ///
    /// # Errors
    /// Errors of the task's data.
    fn loss(&self, trained: &Self::Trained, step: u64, unit: usize) -> Result<Loss>;
}
