//! Random choices from ChaCha8. They are implemented here because the distributions of `rand` may
//! change between its versions, and a seed must always give the same pictures.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random stream of one scene: `index` is ChaCha's stream number, so that scenes are
/// independent of each other and of the order in which they are made. `purpose` separates drawing,
/// questions and splits under one seed.
pub fn stream(seed: u64, index: u64, purpose: u64) -> ChaCha8Rng {
    // An odd multiplier spreads the few purposes over all 64 bits.
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    rng.set_stream(index);
    rng
}

/// A uniform whole number in `0..count`; 0 if `count` is 0.
pub fn below(rng: &mut ChaCha8Rng, count: usize) -> usize {
    ((u64::from(rng.next_u32()) * count as u64) >> 32) as usize
}

/// A uniform number in `low..high`.
pub fn between(rng: &mut ChaCha8Rng, low: f32, high: f32) -> f32 {
    let unit = (rng.next_u32() >> 8) as f32 / (1_u32 << 24) as f32;
    low + (high - low) * unit
}

/// True with this probability.
pub fn chance(rng: &mut ChaCha8Rng, probability: f32) -> bool {
    between(rng, 0.0, 1.0) < probability
}

/// One of `items`, uniformly; `None` if it is empty.
pub fn pick<'a, T>(rng: &mut ChaCha8Rng, items: &'a [T]) -> Option<&'a T> {
    items.get(below(rng, items.len()))
}

/// Shuffles `items` (Fisher and Yates).
pub fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(rng, last + 1));
    }
}
