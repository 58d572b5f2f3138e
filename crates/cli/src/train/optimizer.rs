//! AdamW over flat parameters, with one norm for the whole gradient and a cosine schedule.

use burn::optim::{AdamW, AdamWConfig, AdaptiveMomentumState, Optimizer};
use burn::tensor::Tensor;

use super::parameters::{from_vec, to_vec};

/// The learning rate's schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Total number of steps.
    pub steps: u64,
    /// Share of the steps over which the learning rate rises from zero.
    pub warm_up: f64,
    /// Share of the highest learning rate that the last step has.
    pub final_share: f64,
}

impl Schedule {
    /// The learning rate of `step` (from 0): linear warm-up, then half a cosine.
    pub fn rate(&self, step: u64) -> f64 {
        let warm_up = (self.warm_up * self.steps as f64).max(1.0);
        let at = step as f64 + 1.0;
        if at < warm_up {
            return self.learning_rate * at / warm_up;
        }
        let share = ((at - warm_up) / (self.steps as f64 - warm_up).max(1.0)).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share).cos());
        self.learning_rate * (self.final_share + (1.0 - self.final_share) * cosine)
    }
}

/// First and second moment of a parameter, flattened.
pub type Moments = (Vec<f32>, Vec<f32>);

/// The optimizer and its state.
pub struct Optimization {
    adamw: AdamW,
    /// For parameters without weight decay.
    bare: AdamW,
    clip_norm: f32,
    states: Vec<Option<burn::optim::AdamWState<1>>>,
}

impl Optimization {
    /// A new optimizer for `parameters` parameters, without moments.
    pub fn new(weight_decay: f32, clip_norm: f32, parameters: usize) -> Self {
        let adamw = |weight_decay| {
            AdamWConfig::new()
                .with_beta_2(0.98)
                .with_epsilon(1e-8)
                .with_weight_decay(weight_decay)
                .build()
        };
        Optimization {
            adamw: adamw(weight_decay),
            bare: adamw(0.0),
            clip_norm,
            states: vec![None; parameters],
        }
    }

    /// Updates `values` by `gradients`; returns the new values and the gradient's norm. Weight
    /// decay applies to matrices, not to vectors (norms, biases).
    pub fn step(
        &mut self,
        rate: f64,
        values: Vec<Tensor<1>>,
        gradients: Vec<Tensor<1>>,
        decays: &[bool],
    ) -> (Vec<Tensor<1>>, f32) {
        let squares: f64 = gradients
            .iter()
            .map(|g| f64::from(g.clone().square().sum().into_scalar::<f32>()))
            .sum();
        let norm = squares.sqrt() as f32;
        let scale = (self.clip_norm / norm.max(1e-12)).min(1.0);
        let (adamw, bare) = (&self.adamw, &self.bare);
        let updated = values
            .into_iter()
            .zip(gradients)
            .zip(&mut self.states)
            .zip(decays)
            .map(|(((value, gradient), state), &decay)| {
                let adamw = if decay { adamw } else { bare };
                let (value, next) =
                    adamw.step(rate, value, gradient.mul_scalar(scale), state.take());
                *state = next;
                value
            })
            .collect();
        (updated, norm)
    }

    /// The moments of every parameter, for a checkpoint; `None` before the first step.
    pub fn moments(&self) -> Option<Vec<Moments>> {
        self.states
            .iter()
            .map(|state| {
                let momentum = &state.as_ref()?.momentum;
                Some((to_vec(&momentum.moment_1), to_vec(&momentum.moment_2)))
            })
            .collect()
    }

    /// Restores the moments of a checkpoint after `steps` steps.
    pub fn restore(&mut self, moments: Vec<Moments>, steps: u64, values: &[Tensor<1>]) {
        for ((state, (first, second)), like) in self.states.iter_mut().zip(moments).zip(values) {
            let momentum = AdaptiveMomentumState {
                time: steps as usize,
                moment_1: from_vec(first, like),
                moment_2: from_vec(second, like),
                max_moment_2: None,
            };
            *state = Some(burn::optim::AdamWState { momentum });
        }
    }
}
