//! The training loop: batches, optimizer steps, reports and checkpoints.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use burn::module::Module;

use super::optimizer::{Optimization, Schedule};
use super::parameters::{replace, shapes, values};
use super::task::{Measures, Task, add_measures};
use super::workers::Workers;
use inf_llava::error::{Error, Result};
use inf_llava::progress::StopFlag;

/// The settings of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Learning rates and number of steps.
    pub schedule: Schedule,
    /// AdamW's weight decay, applied to matrices.
    pub weight_decay: f32,
    /// The largest norm of a step's gradient; larger gradients are scaled down to it.
    pub clip_norm: f32,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// Steps between reports.
    pub report_every: u64,
}

/// The state of a run.
pub struct State<M> {
    /// The modules that are trained.
    pub trained: M,
    /// Their optimizer.
    pub optimization: Optimization,
    /// Steps completed.
    pub step: u64,
}

impl<M: Module> State<M> {
    /// The state before the first step.
    pub fn new(trained: M, settings: &Settings) -> Self {
        let parameters = shapes(&trained).len();
        State {
            trained,
            optimization: Optimization::new(settings.weight_decay, settings.clip_norm, parameters),
            step: 0,
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Steps completed.
    pub step: u64,
    /// Total number of steps.
    pub steps: u64,
    /// Mean loss since the last report.
    pub loss: f64,
    /// Norm of the last gradient before clipping.
    pub gradient_norm: f32,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Samples per second since the last report.
    pub samples_per_second: f64,
    /// The task's own measures since the last report.
    pub measures: BTreeMap<&'static str, f64>,
}

/// Receives a run's reports and stores its checkpoints.
pub trait Observer<M> {
    /// Called every `report_every` steps.
    fn report(&mut self, report: &Report);

    /// Stores a checkpoint of `state`.
    ///
    /// # Errors
    /// [`Error::Output`] if it cannot be written.
    fn save(&mut self, state: &State<M>) -> Result<()>;
}

/// Trains from `state` to the end of the schedule, or until `stop` is set; saves at intervals and,
/// in both cases, at the end.
///
/// # Errors
/// [`Error::Diverged`] for a loss that is not a finite number: the last checkpoint remains and does
/// not contain this step. Errors of the task and of the observer.
pub fn run<T: Task>(
    task: &T,
    mut state: State<T::Trained>,
    settings: &Settings,
    workers: &Workers,
    observer: &mut impl Observer<T::Trained>,
    stop: &StopFlag,
) -> Result<State<T::Trained>> {
    let decays: Vec<bool> = shapes(&state.trained).iter().map(|s| s.len() > 1).collect();
    let first = state.step;
    let mut last_save = Instant::now();
    let mut since = Since::new();
    while state.step < settings.schedule.steps && !stop.is_set() {
        let batch = workers.batch(task, &state.trained, state.step)?;
        let weight = batch.weight.max(1.0);
        let rate = settings.schedule.rate(state.step);
        let scale = (1.0 / weight) as f32;
        let gradients = batch
            .gradients
            .into_iter()
            .map(|gradient| gradient.mul_scalar(scale))
            .collect();
        let old = values(&state.trained);
        let (new, norm) = state.optimization.step(rate, old, gradients, &decays);
        if !batch.loss.is_finite() || !norm.is_finite() {
            return Err(Error::Diverged {
                step: state.step + 1,
                loss: batch.loss / weight,
            });
        }
        state.trained = replace(state.trained, new);
        state.step += 1;

        since.add(batch.loss, batch.weight, batch.samples, batch.measures);
        let is_last = state.step == settings.schedule.steps;
        if state.step.is_multiple_of(settings.report_every) || is_last {
            let report = since.report(state.step, settings.schedule.steps, norm, rate);
            observer.report(&report);
            since = Since::new();
        }
        if last_save.elapsed() >= settings.checkpoint_every && !is_last {
            observer.save(&state)?;
            last_save = Instant::now();
        }
    }
    if state.step > first {
        observer.save(&state)?;
    }
    Ok(state)
}

/// Sums since the last report.
struct Since {
    start: Instant,
    loss: f64,
    weight: f64,
    samples: usize,
    measures: Measures,
}

impl Since {
    fn new() -> Self {
        Since {
            start: Instant::now(),
            loss: 0.0,
            weight: 0.0,
            samples: 0,
            measures: Measures::new(),
        }
    }

    fn add(&mut self, loss: f64, weight: f64, samples: usize, measures: Measures) {
        self.loss += loss;
        self.weight += weight;
        self.samples += samples;
        add_measures(&mut self.measures, measures);
    }

    fn report(&self, step: u64, steps: u64, gradient_norm: f32, rate: f64) -> Report {
        Report {
            step,
            steps,
            loss: self.loss / self.weight.max(1.0),
            gradient_norm,
            rate,
            samples_per_second: self.samples as f64 / self.start.elapsed().as_secs_f64().max(1e-9),
            measures: self
                .measures
                .iter()
                .filter(|(_, (_, count))| *count > 0.0)
                .map(|(name, (sum, count))| (*name, sum / count))
                .collect(),
        }
    }
}
