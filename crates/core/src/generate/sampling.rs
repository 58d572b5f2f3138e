//! The settings that choose the next id, and their validation.
//!
//! In: numbers from a command line, a page or a file. Out: the same, checked.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::config::Scope;
use crate::error::{Error, Result};

/// The settings of a [`Sampler`](super::Sampler). Fields that a JSON object lacks get the default.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 always takes the likeliest id; higher values give more variety. The release's default is 0.2.
    pub temperature: f32,
    /// Keeps only this many of the likeliest ids; 0 is off.
    pub top_k: usize,
    /// Keeps only the likeliest ids that together reach this probability; 1 is off.
    pub top_p: f32,
    /// Divides positive (multiplies negative) logits of ids seen in the prompt and the answer by this; 1 is off.
    pub repetition_penalty: f32,
    /// The same seed gives the same choices from the same logits, on every platform.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Sampling {
            temperature: 0.2,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            seed: 0,
        }
    }
}

/// The default temperature of answers. Questions to a model for a single kind of picture have one right answer, so
/// sampling could only do harm.
pub fn default_temperature(scope: Option<Scope>) -> f32 {
    match scope {
        Some(_) => 0.0,
        None => Sampling::default().temperature,
    }
}

impl Sampling {
    /// Always the likeliest id.
    pub fn greedy() -> Self {
        Sampling {
            temperature: 0.0,
            ..Sampling::default()
        }
    }

    /// The filters applied before sampling, in `transformers`' order; those that are off are left out.
    pub fn filters(&self) -> Vec<Filter> {
        let is_random = self.temperature != 0.0;
        let all = [
            (
                self.repetition_penalty != 1.0,
                Filter::RepetitionPenalty(self.repetition_penalty),
            ),
            (is_random, Filter::Temperature(self.temperature)),
            (is_random && self.top_k != 0, Filter::TopK(self.top_k)),
            (is_random && self.top_p < 1.0, Filter::TopP(self.top_p)),
        ];
        let on = all.into_iter().filter(|(is_on, _)| *is_on);
        on.map(|(_, filter)| filter).collect()
    }

    /// Refuses invalid settings with [`Error::Option`] and the option's name.
    pub fn validate(&self) -> Result<()> {
        let check = |option: &str, value: f32, good: bool, wanted: &str| {
            let reason = format!("it is {value} and must be {wanted}");
            if good {
                Ok(())
            } else {
                Err(Error::Option {
                    option: option.into(),
                    reason,
                })
            }
        };
        let (heat, top_p, penalty) = (self.temperature, self.top_p, self.repetition_penalty);
        // A range test is false for NaN.
        check(
            "temperature",
            heat,
            (0.0..=100.0).contains(&heat),
            "from 0 (greedy) to 100",
        )?;
        check(
            "top_p",
            top_p,
            top_p > 0.0 && top_p <= 1.0,
            "above 0 and at most 1 (off)",
        )?;
        let penalty_is_good = (0.1..=10.0).contains(&penalty);
        check(
            "repetition_penalty",
            penalty,
            penalty_is_good,
            "from 0.1 to 10; 1 is off",
        )
    }
}
