//! Distributes a batch's units over threads. Each worker also has its own thread for burn's
//! kernels, so that the cores synchronize once a step, to sum the gradients, and not at every
//! matrix.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::ThreadPool;

use super::parameters::{gradients, leaves};
use crate::train::task::{Measures, Task, add_measures};
use inf_llava::error::{Error, Result};

/// The worker threads.
pub struct Workers(Vec<ThreadPool>);

/// The result of a batch.
pub struct Batch {
    /// Gradients of the summed loss, one per parameter.
    pub gradients: Vec<Tensor<1>>,
    /// The loss, summed over the units.
    pub loss: f64,
    /// The divisor of the sums.
    pub weight: f64,
    /// Number of samples.
    pub samples: usize,
    /// Measures for the log, summed over the units.
    pub measures: Measures,
}

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    /// [`Error::Device`] if the system cannot start a thread.
    pub fn new(count: usize) -> Result<Self> {
        let pool = || {
            rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .build()
                .map_err(|error| Error::Device {
                    device: "cpu".into(),
                    reason: format!("no thread could be started: {error}"),
                })
        };
        (0..count.max(1))
            .map(|_| pool())
            .collect::<Result<_>>()
            .map(Workers)
    }

    /// The number of threads. It determines the order in which gradients are summed, and with that
    /// the last bits of a run's numbers.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The gradients of all units of `step`.
    ///
    /// # Errors
    /// The task's errors.
    pub fn batch<T: Task>(&self, task: &T, trained: &T::Trained, step: u64) -> Result<Batch> {
        let units = task.units();
        let share = units.div_ceil(self.count());
        let parts: Vec<Result<Option<Batch>>> = std::thread::scope(|scope| {
            let handles: Vec<_> = self
                .0
                .iter()
                .enumerate()
                .map(|(index, pool)| {
                    let range = (index * share).min(units)..((index + 1) * share).min(units);
                    scope.spawn(move || pool.install(|| run_units(task, trained, step, range)))
                })
                .collect();
            handles
                .into_iter()
                .map(|handle| match handle.join() {
                    Ok(part) => part,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        });
        let mut sum: Option<Batch> = None;
        for part in parts {
            if let Some(part) = part? {
                sum = Some(match sum {
                    None => part,
                    Some(sum) => sum.plus(part),
                });
            }
        }
        sum.ok_or_else(|| Error::Option {
            option: "units".into(),
            reason: "a step needs at least one unit".into(),
        })
    }
}

impl Batch {
    fn plus(mut self, other: Batch) -> Batch {
        self.gradients = self
            .gradients
            .into_iter()
            .zip(other.gradients)
            .map(|(a, b)| a + b)
            .collect();
        self.loss += other.loss;
        self.weight += other.weight;
        self.samples += other.samples;
        add_measures(&mut self.measures, other.measures);
        self
    }
}

fn run_units<T: Task>(
    task: &T,
    trained: &T::Trained,
    step: u64,
    units: Range<usize>,
) -> Result<Option<Batch>> {
    let mut sum: Option<Batch> = None;
    for unit in units {
        let leaves = leaves(trained);
        let loss = task.loss(&leaves, step, unit)?;
        let value = f64::from(loss.sum.clone().inner().into_scalar::<f32>());
        let mut found = loss.sum.backward();
        let batch = Batch {
            gradients: gradients(&leaves, &mut found),
            loss: value,
            weight: loss.weight,
            samples: loss.samples,
            measures: loss.measures,
        };
        sum = Some(match sum {
            None => batch,
            Some(sum) => sum.plus(batch),
        });
    }
    Ok(sum)
}
