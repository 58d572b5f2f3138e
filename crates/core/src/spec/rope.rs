//! The rotary embedding: the rotation of each pair of a head's channels from one token to the next.

use std::f64::consts::TAU;

/// Base and scaling of the rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub theta: f64,
    /// The scaling for longer contexts.
    pub scaling: RopeScaling,
}

/// The `rope_type` of transformers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// `default`.
    None,
    /// `linear`: all frequencies are divided by a factor.
    Linear {
        /// At least 1.
        factor: f64,
    },
    /// `llama3` (LLaMA-3.1): low frequencies are divided by a factor, high ones are unchanged, those in between
    /// interpolated.
    Llama3 {
        /// At least 1.
        factor: f64,
        /// Frequencies with wavelengths above `original / low_freq_factor` tokens are low.
        low_freq_factor: f64,
        /// Frequencies with wavelengths below `original / high_freq_factor` tokens are high.
        high_freq_factor: f64,
        /// The original context length in positions.
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

    /// Radians per token of each pair of channels, `head_dim / 2` values.
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
