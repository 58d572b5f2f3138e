//! Draws the next id.
//!
//! In: logits and the ids seen. Out: an id. It keeps nothing but the state of its random numbers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Sampling, filter};
use crate::{Error, Result};

/// Chooses ids by one [`Sampling`].
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    /// ChaCha is defined by its specification, so a seed means the same everywhere and always.
    random: ChaCha8Rng,
}

impl Sampler {
    /// A sampler at the beginning of its seed's sequence.
    ///
    /// # Errors
    /// [`Error::Option`] as [`Sampling::validate`].
    pub fn new(sampling: &Sampling) -> Result<Self> {
        sampling.validate()?;
        let random = ChaCha8Rng::seed_from_u64(sampling.seed);
        Ok(Sampler {
            sampling: sampling.clone(),
            random,
        })
    }

    /// Goes on as if `count` ids had been picked already.
    pub fn skip(&mut self, count: usize) {
        if self.sampling.temperature != 0.0 {
            for _ in 0..count {
                self.random.next_u64();
            }
        }
    }

    /// Whether the first of the largest logits is all that it ever takes.
    pub fn is_greedy(&self) -> bool {
        self.sampling.temperature == 0.0 && self.sampling.repetition_penalty == 1.0
    }

    /// The next id. `logits`: `[vocab]`, filtered in place; `seen`: the prompt's and the answer's
    /// ids, for the repetition penalty. At temperature 0 the first of the largest; one random
    /// number is taken per call otherwise.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if there is a NaN, a +inf, or nothing but -inf.
    pub fn pick(&mut self, logits: &mut [f32], seen: &[u32]) -> Result<u32> {
        filter::repetition_penalty(logits, seen, self.sampling.repetition_penalty);
        let best = first_largest(logits)?;
        if self.sampling.temperature == 0.0 {
            return Ok(best);
        }
        filter::temperature(logits, self.sampling.temperature);
        filter::top_k(logits, self.sampling.top_k);
        filter::top_p(logits, self.sampling.top_p);
        let weights = filter::weights(logits);

        // 53 random bits are a number in 0..1; its place in the summed weights is the id.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut left = uniform * weights.iter().sum::<f64>();
        for (id, &weight) in (0_u32..).zip(&weights) {
            if left < weight {
                return Ok(id);
            }
            left -= weight;
        }
        Ok(best) // rounding ate the last weight
    }
}

/// The first index of the largest logit.
fn first_largest(logits: &[f32]) -> Result<u32> {
    let mut best = (0, f32::NEG_INFINITY);
    for (id, &logit) in (0_u32..).zip(logits) {
        if logit.is_nan() {
            return Err(Error::NotFinite {
                stage: "logits".into(),
            });
        }
        if logit > best.1 {
            best = (id, logit);
        }
    }
    if best.1.is_finite() {
        Ok(best.0)
    } else {
        Err(Error::NotFinite {
            stage: "logits".into(),
        })
    }
}
