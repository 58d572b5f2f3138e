//! Samples the next id.
//!
//! In: logits and the ids seen. Out: an id. Its only state is that of its random numbers.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::filter::{self, Filter};
use super::sampling::Sampling;
use crate::error::{Error, Result};

/// Chooses ids according to a [`Sampling`].
#[derive(Debug, Clone)]
pub struct Sampler {
    filters: Vec<Filter>,
    /// Whether an id is sampled; otherwise the first of the likeliest is taken.
    is_random: bool,
    /// ChaCha is fully specified, so a seed gives the same sequence on every platform and in every version.
    random: ChaCha8Rng,
}

impl Sampler {
    /// A sampler at the start of its seed's sequence.
    ///
    /// # Errors
    /// [`Error::Option`] as [`Sampling::validate`].
    pub fn new(sampling: &Sampling) -> Result<Self> {
        sampling.validate()?;
        let random = ChaCha8Rng::seed_from_u64(sampling.seed);
        Ok(Sampler {
            filters: sampling.filters(),
            is_random: sampling.temperature != 0.0,
            random,
        })
    }

    /// Advances the random numbers as if `count` ids had been picked.
    pub fn skip(&mut self, count: usize) {
        if self.is_random {
            for _ in 0..count {
                self.random.next_u64();
            }
        }
    }

    /// Whether it always takes the first of the largest unfiltered logits.
    pub fn is_greedy(&self) -> bool {
        !self.is_random && self.filters.is_empty()
    }

    /// The next id. `logits`: `[vocab]`, filtered in place; `seen`: the prompt's and the answer's ids, for the
    /// repetition penalty. At temperature 0, the first of the largest; otherwise each call consumes one random
    /// number.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if there is a NaN or a +inf, or all logits are -inf.
    pub fn pick(&mut self, logits: &mut [f32], seen: &[u32]) -> Result<u32> {
        first_largest(logits)?; // the filters require that there is no NaN
        for filter in &self.filters {
            filter.apply(logits, seen);
        }
        let best = first_largest(logits)?;
        if !self.is_random {
            return Ok(best);
        }
        let weights = filter::weights(logits);

        // 53 random bits give a number in 0..1; its position in the cumulative weights selects the id.
        let uniform = (self.random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let mut left = uniform * weights.iter().sum::<f64>();
        for (id, &weight) in (0_u32..).zip(&weights) {
            if left < weight {
                return Ok(id);
            }
            left -= weight;
        }
        Ok(best) // rounding errors can leave no id
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
