//! What the loop trains: batches of units, and what they tell.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::error::Result;
use crate::spec::Weight;

/// Sums and counts by name, for the log: their quotient is what is shown.
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
    /// What the sum over all units is divided by: tokens, or units.
    pub weight: f64,
    /// Samples in it: crops, or pictures.
    pub samples: usize,
    /// For the log.
    pub measures: Measures,
}

/// Something that can be trained. A unit depends on nothing but the step and its number, so that a
/// resumed run sees what an uninterrupted one sees.
pub trait Task: Sync {
    /// The modules that learn.
    type Trained: Module + Sync;

    /// Vec<Weight> and shapes of their parameters, in the order of the fields.
    fn weights(&self) -> Vec<Weight>;

    /// Units of a step.
    fn units(&self) -> usize;

    /// The loss of a unit; `trained` are autodiff leaves.
    ///
    /// # Errors
    /// What its data fails with.
    fn loss(&self, trained: &Self::Trained, step: u64, unit: usize) -> Result<Loss>;
}
