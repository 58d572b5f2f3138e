//! How the next id is chosen: the user's settings, and whether they make sense.
//!
//! In: numbers from a command line, a page or a file. Out: the same, checked. No arithmetic here.

use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::config::Scope;
use crate::error::{Error, Result};

/// The settings of a [`Sampler`](super::Sampler). Fields that a JSON object lacks get the default.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// 0 takes the likeliest id always; higher is more varied. The release's default is 0.2.
    pub temperature: f32,
    /// Only this many of the likeliest ids; 0 is off.
    pub top_k: usize,
    /// Only the likeliest ids that together have this probability; 1 is off.
    pub top_p: f32,
    /// Divides (or, if negative, multiplies) the logits of ids seen in the prompt and the answer;
    /// 1 is off.
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

/// The temperature of answers where none is stated. What a model of one kind of picture is asked has one right answer, which
/// chance would only miss.
pub fn default_temperature(scope: Option<Scope>) -> f32 {
    match scope {
        Some(_) => 0.0,
        None => Sampling::default().temperature,
    }
}

impl Sampling {
    /// The likeliest id always.
    pub fn greedy() -> Self {
        Sampling {
            temperature: 0.0,
            ..Sampling::default()
        }
    }

    /// What is done to logits before an id is drawn from them, in `transformers`' order; what is off is left out.
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

    /// Refuses settings that make no sense, as [`Error::Option`] with the option's name.
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
