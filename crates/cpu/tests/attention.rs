//! Attention against its definition in f64, on every instruction path with the same bits.

use inf_llava_cpu::{Attention, Causal, Heads, Path, Pool, attend, attend_many};

fn floats(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// One query's mix of the values of the keys in `seen`.
fn mix(q: &[f32], keys: &[&[f32]], values: &[&[f32]]) -> Vec<f64> {
    let product = |key: &&[f32]| {
        key.iter()
            .zip(q)
            .map(|(&k, &q)| f64::from(k) * f64::from(q))
            .sum::<f64>()
    };
    let scores: Vec<f64> = keys
        .iter()
        .map(|key| product(key) / (q.len() as f64).sqrt())
        .collect();
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let total: f64 = weights.iter().sum();
    let channel = |at: usize| {
        weights
            .iter()
            .zip(values)
            .map(|(w, v)| w * f64::from(v[at]))
            .sum::<f64>()
            / total
    };
    (0..q.len()).map(channel).collect()
}

fn close(found: &[f32], expected: &[f64], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (f64::from(*found) - expected).abs() < 2e-6,
            "{what}: {found} for {expected}"
        );
    }
}

/// Heads, key heads, channels of a head.
const SHAPES: [[usize; 3]; 5] = [[1, 1, 8], [4, 2, 36], [6, 3, 64], [2, 2, 72], [4, 1, 128]];

#[test]
fn new_tokens_see_the_cache_up_to_themselves_and_within_their_window() {
    let pool = Pool::new(2);
    for [heads, key_heads, head_dim] in SHAPES {
        for (start, tokens, window) in [
            (0, 1, 99),
            (5, 1, 99),
            (70, 3, 99),
            (40, 9, 7),
            (3, 70, 99),
            (0, 33, 5),
        ] {
            let (capacity, channels) = (start + tokens + 3, heads * head_dim);
            let q = floats(1, tokens * channels);
            let [keys, values] = [2, 3].map(|seed| floats(seed, key_heads * capacity * head_dim));
            let of = |store: &[f32], head: usize, key: usize| {
                store[(head * capacity + key) * head_dim..][..head_dim].to_vec()
            };
            let mut bits: Vec<Vec<u32>> = Vec::new();
            for path in Path::available() {
                let mut few = vec![f32::NAN; tokens * channels];
                let sizes = Attention {
                    heads,
                    key_heads,
                    head_dim,
                    capacity,
                    start,
                    window,
                };
                attend(path, &pool, &sizes, &q, [&keys, &values], &mut few);
                let mut many = vec![f32::NAN; tokens * channels];
                let sizes = Heads {
                    heads,
                    key_heads,
                    head_dim,
                    keys: start + tokens,
                    strides: [head_dim, capacity * head_dim],
                    causal: Some(Causal { start, window }),
                };
                attend_many(path, &pool, &sizes, &q, [&keys, &values], &mut many);
                for token in 0..tokens {
                    let seen = (start + token + 1).saturating_sub(window)..start + token + 1;
                    for head in 0..heads {
                        let all = |store: &[f32]| {
                            seen.clone()
                                .map(|key| of(store, head * key_heads / heads, key))
                                .collect::<Vec<_>>()
                        };
                        let (k, v) = (all(&keys), all(&values));
                        let (k, v): (Vec<&[f32]>, Vec<&[f32]>) = (
                            k.iter().map(|k| &k[..]).collect(),
                            v.iter().map(|v| &v[..]).collect(),
                        );
                        let at = token * channels + head * head_dim;
                        let expected = mix(&q[at..at + head_dim], &k, &v);
                        close(&few[at..at + head_dim], &expected, "few");
                        close(&many[at..at + head_dim], &expected, "many");
                    }
                }
                bits.push(
                    few.iter()
                        .chain(&many)
                        .map(|value| value.to_bits())
                        .collect(),
                );
            }
            assert!(
                bits.windows(2).all(|pair| pair[0] == pair[1]),
                "{:?}",
                Path::available()
            );
        }
    }
}

#[test]
fn views_see_all_of_themselves() {
    let pool = Pool::new(2);
    for [heads, _, head_dim] in SHAPES {
        for tokens in [1, 3, 17, 66] {
            let channels = heads * head_dim;
            let [q, k, v] = [4, 5, 6].map(|seed| floats(seed, tokens * channels));
            let sizes = Heads {
                heads,
                key_heads: heads,
                head_dim,
                keys: tokens,
                strides: [channels, head_dim],
                causal: None,
            };
            for path in Path::available() {
                let mut out = vec![f32::NAN; tokens * channels];
                attend_many(path, &pool, &sizes, &q, [&k, &v], &mut out);
                for token in [0, tokens / 2, tokens - 1] {
                    for head in 0..heads {
                        let at = |row: usize| {
                            row * channels + head * head_dim..row * channels + (head + 1) * head_dim
                        };
                        let rows = |all: &'_ [f32]| -> Vec<Vec<f32>> {
                            (0..tokens).map(|row| all[at(row)].to_vec()).collect()
                        };
                        let (keys, values) = (rows(&k), rows(&v));
                        let (keys, values): (Vec<&[f32]>, Vec<&[f32]>) = (
                            keys.iter().map(|k| &k[..]).collect(),
                            values.iter().map(|v| &v[..]).collect(),
                        );
                        close(&out[at(token)], &mix(&q[at(token)], &keys, &values), "view");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_is_told() {
    let pool = Pool::new(1);
    let sizes = Attention {
        heads: 1,
        key_heads: 1,
        head_dim: 8,
        capacity: 4,
        start: 3,
        window: 99,
    };
    let q = [1.0; 8];
    let keys = floats(7, 32);
    let mut values = floats(8, 32);
    values[9] = f32::NAN;
    for path in Path::available() {
        let mut out = [0.0; 8];
        attend(path, &pool, &sizes, &q, [&keys, &values], &mut out);
        assert!(out[1].is_nan() && out[0].is_finite(), "{path:?} {out:?}");
    }
}
