//! The rotary embedding: how far each pair of a head's channels turns from one token to the next.

use std::f64::consts::TAU;

/// How it turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub theta: f64,
    /// What longer contexts made of them.
    pub scaling: RopeScaling,
}

/// As `rope_type` of transformers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// `default`.
    None,
    /// `linear`: all slower by a factor.
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// `llama3` (LLaMA-3.1): slow ones slower by a factor, fast ones as they are, the others in between.
    Llama3 {
        /// At least 1.
        factor: f64,
        /// Wavelengths above `original / low_freq_factor` tokens are slow.
        low_freq_factor: f64,
        /// Wavelengths below `original / high_freq_factor` tokens are fast.
        high_freq_factor: f64,
        /// Positions that the model knew before.
        original: f64,
    },
}

impl RopeSpec {
    /// Without scaling.
    pub fn of_theta(theta: f64) -> Self {
        RopeSpec {
            theta,
            scaling: RopeScaling::None,
        }
    }

    /// Radians a token of each pair of channels, `head_dim / 2` of them.
    pub fn frequencies(&self, head_dim: usize) -> Vec<f64> {
        let unscaled = |i: usize| 1.0 / self.theta.powf(2.0 * i as f64 / head_dim as f64);
        let all = (0..head_dim / 2).map(unscaled);
        all.map(|frequency| self.scaling.apply(frequency)).collect()
    }
}

impl RopeScaling {
    fn apply(self, frequency: f64) -> f64 {
        match self {
            RopeScaling::None => frequency,
            RopeScaling::Linear { factor } => frequency / factor,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original,
            } => {
                let wavelength = TAU / frequency;
                if wavelength < original / high_freq_factor {
                    frequency
                } else if wavelength > original / low_freq_factor {
                    frequency / factor
                } else {
                    let span = high_freq_factor - low_freq_factor;
                    let share = (original / wavelength - low_freq_factor) / span;
                    (1.0 - share) * frequency / factor + share * frequency
                }
            }
        }
    }
}
