//! Filters applied to the logits before an id is sampled: Hugging Face's processors, as pure functions.
//!
//! In and out: `[vocab]` f32 logits; a removed id has -inf. The order is that of `transformers`:
//! repetition penalty, temperature, top-k, top-p. Logits must not contain NaN; the sampler checks this.

/// A filter with its setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Filter {
    /// [`repetition_penalty`].
    RepetitionPenalty(f32),
    /// [`temperature`].
    Temperature(f32),
    /// [`top_k`].
    TopK(usize),
    /// [`top_p`].
    TopP(f32),
}

impl Filter {
    /// Modifies `logits` in place; `seen` are the ids of prompt and answer.
    pub fn apply(self, logits: &mut [f32], seen: &[u32]) {
        match self {
            Filter::RepetitionPenalty(penalty) => repetition_penalty(logits, seen, penalty),
            Filter::Temperature(heat) => temperature(logits, heat),
            Filter::TopK(k) => top_k(logits, k),
            Filter::TopP(share) => top_p(logits, share),
        }
    }
}

/// `RepetitionPenaltyLogitsProcessor`: each id in `seen` once, however often it was seen: a
/// positive logit is divided by `penalty`, a negative one multiplied. Ids past the end are ignored.
pub fn repetition_penalty(logits: &mut [f32], seen: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    let mut ids = seen.to_vec();
    ids.sort_unstable();
    ids.dedup();
    for id in ids {
        if let Some(logit) = logits.get_mut(id as usize) {
            *logit = if *logit < 0.0 {
                *logit * penalty
            } else {
                *logit / penalty
            };
        }
    }
}

/// `TemperatureLogitsWarper`: divides by `temperature`, which must be above 0. The largest logit is subtracted first,
/// so that a tiny temperature gives -inf instead of overflowing; this does not change the probabilities or the later
/// filters.
pub fn temperature(logits: &mut [f32], temperature: f32) {
    let largest = largest(logits);
    for logit in logits {
        *logit = (*logit - largest) / temperature;
    }
}

/// `TopKLogitsWarper`: removes logits below the `k`-th largest. Ties with it are kept, so more than `k` ids may
/// remain. 0 is off.
pub fn top_k(logits: &mut [f32], k: usize) {
    if k == 0 || k >= logits.len() {
        return;
    }
    let mut sorted = logits.to_vec();
    let (_, &mut least, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    for logit in logits {
        if *logit < least {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// `TopPLogitsWarper`: removes the least likely ids as long as their probabilities sum to at most `1 - top_p`; the
/// likeliest is always kept. Of equally likely ids, the lowest are kept. 1 is off.
pub fn top_p(logits: &mut [f32], top_p: f32) {
    if top_p >= 1.0 || logits.is_empty() {
        return;
    }
    let mut weights = weights(logits);
    let total: f64 = weights.iter().sum();
    let budget = (1.0 - f64::from(top_p)) * total;
    // Together, all ids whose weight is below an equal share of the budget fit into it: they are removed without
    // sorting, which leaves only a few of 128 thousand.
    let share = budget / weights.len() as f64;
    let mut removed = 0.0;
    let mut rest = Vec::new();
    for (id, weight) in weights.iter_mut().enumerate() {
        if *weight < share {
            removed += *weight;
            logits[id] = f32::NEG_INFINITY;
        } else {
            rest.push((id, *weight));
        }
    }
    rest.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    rest.pop(); // the likeliest
    for (id, weight) in rest {
        removed += weight;
        if removed > budget {
            break;
        }
        logits[id] = f32::NEG_INFINITY;
    }
}

/// `exp(logit - largest)` of each logit: unnormalised probabilities. -inf gives 0.
pub fn weights(logits: &[f32]) -> Vec<f64> {
    let largest = largest(logits);
    logits
        .iter()
        .map(|&logit| exp(f64::from(logit) - f64::from(largest)))
        .collect()
}

fn largest(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// e^x for x <= 0, accurate to about 1e-15. The system's `exp` differs between platforms in the last bit, which
/// occasionally changes an answer; sums and products do not differ. Below e^-700 it is 0.
fn exp(x: f64) -> f64 {
    if x.is_nan() || x < -700.0 {
        return 0.0;
    }
    // x = n ln 2 + r with |r| <= ln 2 / 2; then a Taylor series in r, and 2^n by its bits.
    let n = (x * std::f64::consts::LOG2_E).round();
    let r = x - n * std::f64::consts::LN_2;
    let series = (1..=16)
        .rev()
        .fold(1.0, |sum, i| 1.0 + sum * r / f64::from(i));
    let exponent = (1023 + n as i64).clamp(0, 2046) as u64;
    series * f64::from_bits(exponent << 52)
}
