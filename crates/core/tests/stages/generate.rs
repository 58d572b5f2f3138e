//! Generate: settings, filters and the draw, against Hugging Face's definitions.

use inf_llava_core::Error;
use inf_llava_core::generate::{Sampler, Sampling, filter};
use proptest::prelude::*;

const REMOVED: f32 = f32::NEG_INFINITY;

/// Logits whose softmax is exactly these probabilities.
fn logits_of(probabilities: &[f32]) -> Vec<f32> {
    probabilities.iter().map(|p| p.ln()).collect()
}

fn kept(logits: &[f32]) -> Vec<usize> {
    (0..logits.len())
        .filter(|&id| logits[id] > REMOVED)
        .collect()
}

#[test]
fn settings_that_make_no_sense_are_named() {
    assert_eq!(Sampling::default().temperature, 0.2);
    assert_eq!(Sampling::default().validate(), Ok(()));
    assert_eq!(Sampling::greedy().validate(), Ok(()));
    let option = |sampling: Sampling| match sampling.validate() {
        Err(Error::Option { option, .. }) => {
            assert!(Sampler::new(&sampling).is_err());
            option
        }
        other => panic!("{other:?}"),
    };
    let base = Sampling::default();
    for temperature in [-0.1, f32::NAN, f32::INFINITY] {
        assert_eq!(
            option(Sampling {
                temperature,
                ..base.clone()
            }),
            "temperature"
        );
    }
    for top_p in [0.0, -1.0, 1.1, f32::NAN] {
        assert_eq!(
            option(Sampling {
                top_p,
                ..base.clone()
            }),
            "top_p"
        );
    }
    for repetition_penalty in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let sampling = Sampling {
            repetition_penalty,
            ..base.clone()
        };
        assert_eq!(option(sampling), "repetition_penalty");
    }
    let partial: Sampling = serde_json::from_str(r#"{"temperature": 0.7}"#).expect("JSON");
    assert_eq!(
        partial,
        Sampling {
            temperature: 0.7,
            ..base
        }
    );
}

#[test]
fn the_filters_do_what_hugging_face_does() {
    let mut logits = vec![2.0, -2.0, 4.0, 0.5];
    filter::repetition_penalty(&mut logits, &[0, 1, 0, 0, 99], 2.0);
    assert_eq!(
        logits,
        [1.0, -4.0, 4.0, 0.5],
        "once an id, negative ones multiplied"
    );

    let mut logits = vec![1.0, 3.0, 2.0, 2.0, 0.0];
    filter::top_k(&mut logits, 2);
    assert_eq!(
        logits,
        [REMOVED, 3.0, 2.0, 2.0, REMOVED],
        "equals of the k-th stay"
    );
    filter::top_k(&mut logits, 0);
    assert_eq!(kept(&logits), [1, 2, 3], "0 is off");

    for (top_p, wanted) in [
        (1.0, vec![0, 1, 2, 3]),
        (0.85, vec![0, 1, 2]),
        (0.75, vec![0, 1]),
        (0.01, vec![0]),
    ] {
        let mut logits = logits_of(&[0.5, 0.3, 0.15, 0.05]);
        filter::top_p(&mut logits, top_p);
        assert_eq!(kept(&logits), wanted, "top_p {top_p}");
    }
    let mut logits = vec![0.0; 4];
    filter::top_p(&mut logits, 0.5);
    assert_eq!(kept(&logits), [0, 1], "among equals the first stay");
}

#[test]
fn weights_are_the_exponential() {
    let logits: Vec<f32> = (0..1000).map(|i| -0.083 * i as f32).collect();
    for (logit, weight) in logits.iter().zip(filter::weights(&logits)) {
        let exact = f64::from(*logit).exp();
        assert!(
            (weight - exact).abs() <= 1e-14 * exact,
            "{logit}: {weight} for {exact}"
        );
    }
    assert_eq!(filter::weights(&[0.0, REMOVED, -1e9]), [1.0, 0.0, 0.0]);
}

#[test]
fn greedy_takes_the_first_largest() {
    let mut sampler = Sampler::new(&Sampling::greedy()).expect("sampler");
    assert_eq!(sampler.pick(&mut [1.0, 5.0, 5.0, REMOVED], &[]), Ok(1));
    let penalised = Sampling {
        repetition_penalty: 2.0,
        ..Sampling::greedy()
    };
    let mut sampler = Sampler::new(&penalised).expect("sampler");
    assert_eq!(sampler.pick(&mut [1.0, 5.0, 4.0], &[1]), Ok(2));
}

#[test]
fn logits_that_are_no_numbers_are_an_error() {
    for sampling in [Sampling::greedy(), Sampling::default()] {
        let mut sampler = Sampler::new(&sampling).expect("sampler");
        let bad: [&[f32]; 4] = [&[0.0, f32::NAN], &[REMOVED; 3], &[0.0, f32::INFINITY], &[]];
        for logits in bad {
            let result = sampler.pick(&mut logits.to_vec(), &[0]);
            assert_eq!(
                result,
                Err(Error::NotFinite {
                    stage: "logits".into()
                }),
                "{logits:?}"
            );
        }
    }
}

#[test]
fn a_seed_means_the_same_everywhere() {
    let logits: Vec<f32> = (0..100).map(|i| ((i * 37) % 100) as f32 * 0.05).collect();
    let draw = |seed| -> Vec<u32> {
        let sampling = Sampling {
            temperature: 1.0,
            seed,
            ..Sampling::default()
        };
        let mut sampler = Sampler::new(&sampling).expect("sampler");
        (0..12)
            .map(|_| sampler.pick(&mut logits.clone(), &[]).expect("id"))
            .collect()
    };
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
    // Written down once, from x86-64: a platform or a version that differs breaks this.
    assert_eq!(draw(7), SEED_7);
}

const SEED_7: [u32; 12] = [16, 16, 70, 70, 59, 35, 8, 83, 35, 97, 21, 35];

#[test]
fn the_sampler_applies_its_filters() {
    let hot = Sampling {
        temperature: 1.0,
        ..Sampling::default()
    };
    let drawn = |sampling: Sampling| -> Vec<u32> {
        let mut sampler = Sampler::new(&sampling).expect("sampler");
        let mut draw = || sampler.pick(&mut logits_of(&[0.1, 0.4, 0.2, 0.3]), &[1, 1]);
        let mut ids: Vec<u32> = (0..200).map(|_| draw().expect("id")).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    assert_eq!(drawn(hot.clone()), [0, 1, 2, 3]);
    assert_eq!(
        drawn(Sampling {
            top_k: 2,
            ..hot.clone()
        }),
        [1, 3]
    );
    assert_eq!(
        drawn(Sampling {
            top_p: 0.6,
            ..hot.clone()
        }),
        [1, 3]
    );
    // ln 0.4 * 10 is far below the others: the penalty comes before top-k, which then counts 3, 2.
    let penalised = Sampling {
        repetition_penalty: 10.0,
        top_k: 2,
        ..hot
    };
    assert_eq!(drawn(penalised), [2, 3]);
}

#[test]
fn draws_follow_the_probabilities() {
    let probabilities = [0.5, 0.3, 0.15, 0.05];
    let sampling = Sampling {
        temperature: 1.0,
        ..Sampling::default()
    };
    let mut sampler = Sampler::new(&sampling).expect("sampler");
    let mut counts = [0_u32; 4];
    for _ in 0..20_000 {
        let id = sampler
            .pick(&mut logits_of(&probabilities), &[])
            .expect("id");
        counts[id as usize] += 1;
    }
    for (count, probability) in counts.iter().zip(probabilities) {
        let share = *count as f32 / 20_000.0;
        assert!(
            (share - probability).abs() < 0.015,
            "{share} for {probability}"
        );
    }
    // Half the temperature squares the odds: 0.25 : 0.09 : 0.0225 : 0.0025.
    let sampling = Sampling {
        temperature: 0.5,
        ..Sampling::default()
    };
    let mut sampler = Sampler::new(&sampling).expect("sampler");
    let draws = (0..20_000).map(|_| sampler.pick(&mut logits_of(&probabilities), &[]));
    let first = draws.filter(|id| *id == Ok(0)).count() as f32 / 20_000.0;
    assert!((first - 0.25 / 0.365).abs() < 0.015, "{first}");
}

fn arbitrary_logits() -> impl Strategy<Value = Vec<f32>> {
    // Few distinct values, so that equals are common.
    prop::collection::vec((-40_i32..40).prop_map(|x| x as f32 * 0.25), 1..80)
}

proptest! {
    #[test]
    fn top_k_keeps_the_largest(logits in arbitrary_logits(), k in 1_usize..100) {
        let mut filtered = logits.clone();
        filter::top_k(&mut filtered, k);
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let least = sorted[k.min(sorted.len()) - 1];
        for (before, after) in logits.iter().zip(&filtered) {
            prop_assert_eq!(*after, if *before >= least { *before } else { REMOVED });
        }
    }

    #[test]
    fn top_p_keeps_the_smallest_sufficient_set(
        logits in arbitrary_logits(), top_p in 0.01_f32..0.999,
    ) {
        let mut filtered = logits.clone();
        filter::top_p(&mut filtered, top_p);
        let kept = kept(&filtered);
        let weights = filter::weights(&logits);
        let total: f64 = weights.iter().sum();
        let sum: f64 = kept.iter().map(|&id| weights[id]).sum();
        // Enough is kept; without the least likely of the kept it would not be.
        prop_assert!(!kept.is_empty());
        prop_assert!(sum / total >= f64::from(top_p) - 1e-9);
        let least = kept.iter().map(|&id| weights[id]).fold(f64::INFINITY, f64::min);
        prop_assert!(kept.len() == 1 || (sum - least) / total <= f64::from(top_p) + 1e-9);
        // No removed id is likelier than a kept one, and the kept are unchanged.
        for id in 0..logits.len() {
            if kept.contains(&id) {
                prop_assert_eq!(filtered[id], logits[id]);
            } else {
                prop_assert!(weights[id] <= least);
            }
        }
    }

    #[test]
    fn a_pick_is_always_an_id_that_the_filters_keep(
        logits in arbitrary_logits(), seed in any::<u64>(), k in 0_usize..10,
        top_p in 0.05_f32..=1.0, temperature in 0.0_f32..3.0, penalty in 0.5_f32..2.0,
    ) {
        let sampling = Sampling { temperature, top_k: k, top_p, repetition_penalty: penalty, seed };
        let mut sampler = Sampler::new(&sampling).expect("sampler");
        let mut filtered = logits;
        let id = sampler.pick(&mut filtered, &[0, 1, 200]).expect("id") as usize;
        prop_assert!(id < filtered.len() && filtered[id] > REMOVED);
    }

    #[test]
    fn tiny_temperatures_are_greedy(logits in arbitrary_logits(), seed in any::<u64>()) {
        let cold = Sampling { temperature: 1e-38, seed, ..Sampling::default() };
        let mut sampler = Sampler::new(&cold).expect("sampler");
        let id = sampler.pick(&mut logits.clone(), &[]).expect("id") as usize;
        prop_assert_eq!(logits[id], logits.iter().copied().fold(REMOVED, f32::max));
    }
}
