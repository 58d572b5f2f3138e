//! Weights in few bits: how far they are from what they were, and what is refused.

use inf_llava_core::quant::{BLOCK, Quant, level_q4};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const KINDS: [Quant; 2] = [Quant::Q4, Quant::Q8];

/// Normally distributed, by the sum of uniform numbers.
fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || (0..12).map(|_| rng.random_range(0.0..1.0f32)).sum::<f32>() - 6.0;
    (0..count).map(|_| draw()).collect()
}

fn there_and_back(kind: Quant, values: &[f32], columns: usize) -> Vec<f32> {
    let bytes = kind.quantize(values, columns).unwrap();
    let rows = values.len() / columns;
    kind.dequantize(&bytes, rows, columns).unwrap()
}

/// The error's size over the weights'.
fn error(values: &[f32], found: &[f32]) -> f64 {
    let squares = |values: &mut dyn Iterator<Item = f32>| -> f64 {
        values.map(|value| f64::from(value).powi(2)).sum()
    };
    let mut differences = values.iter().zip(found).map(|(a, b)| a - b);
    (squares(&mut differences) / squares(&mut values.iter().copied())).sqrt()
}

/// As llama.cpp's Q4_0: even levels, the largest weight at the lower end.
fn q4_0(values: &[f32]) -> Vec<f32> {
    let block = |block: &[f32]| -> Vec<f32> {
        let largest = block
            .iter()
            .fold(0.0f32, |a, &b| if b.abs() > a.abs() { b } else { a });
        let scale = largest / -8.0;
        let code = |value: &f32| (value / scale + 8.5).floor().clamp(0.0, 15.0);
        block
            .iter()
            .map(|value| scale * (code(value) - 8.0))
            .collect()
    };
    values.chunks(BLOCK).flat_map(block).collect()
}

#[test]
fn normal_weights_lose_less_than_by_the_largest() {
    let values = normal(1, 256 * 128);
    let q4 = error(&values, &there_and_back(Quant::Q4, &values, 256));
    let q8 = error(&values, &there_and_back(Quant::Q8, &values, 256));
    let plain = error(&values, &q4_0(&values));
    eprintln!("q4 {q4:.4}, q8 {q8:.5}, Q4_0 {plain:.4}");
    assert!(q4 < 0.078 && q8 < 0.006);
    assert!((0.083..0.089).contains(&plain) && q4 < 0.9 * plain);
}

#[test]
fn sizes_are_what_is_promised() {
    for (kind, bits) in [(Quant::Q4, 4.25), (Quant::Q8, 8.25)] {
        let layout = kind.layout(4096, 14336).unwrap();
        let weights = 4096.0 * 14336.0;
        let found = layout.bytes() as f64 * 8.0 / weights;
        assert!(found < bits + 0.003, "{kind:?} {found}");
        assert_eq!(layout.row_scales, 4096 * 4);
    }
    // Three blocks a row, three rows: nine scales in twelve bytes.
    assert_eq!(Quant::Q4.layout(3, 96).unwrap().block_scales, 12);
}

#[test]
fn a_row_and_a_block_have_scales_of_their_own() {
    // Rows a million times apart, blocks a hundred times.
    let mut values = normal(2, 4 * 128);
    for (at, value) in values.iter_mut().enumerate() {
        *value *= 1.0e-3f32.powi(at as i32 / 128) * if at / 32 % 2 == 0 { 1.0 } else { 0.01 };
    }
    for (kind, limit) in [(Quant::Q4, 0.2), (Quant::Q8, 0.04)] {
        let found = there_and_back(kind, &values, 128);
        for (block, (a, b)) in values.chunks(BLOCK).zip(found.chunks(BLOCK)).enumerate() {
            assert!(
                error(a, b) < limit,
                "{kind:?} block {block}: {}",
                error(a, b)
            );
        }
    }
}

#[test]
fn nothing_and_next_to_nothing_stay_nothing() {
    for kind in KINDS {
        for tiny in [0.0, 1.0e-44, -1.0e-39] {
            let found = there_and_back(kind, &[tiny; 64], 64);
            assert!(found.iter().all(|&value| value == 0.0), "{kind:?} {tiny}");
        }
        let mut values = vec![0.0; 64];
        values[40] = -3.0e38;
        let found = there_and_back(kind, &values, 64);
        assert!(
            (found[40] / values[40] - 1.0).abs() < 0.01 && found[0] == 0.0,
            "{kind:?}"
        );
    }
}

#[test]
fn levels_widen_from_zero_and_are_in_order() {
    let levels: Vec<f32> = (0..16).map(level_q4).collect();
    assert_eq!((levels[0], levels[8], levels[12]), (-12.0, 0.0, 4.5));
    let steps: Vec<f32> = levels.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|&step| step > 1.0));
    assert!(steps[..8].windows(2).all(|pair| pair[0] > pair[1]));
    assert!(steps[8..].windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn what_does_not_fit_is_refused() {
    for kind in KINDS {
        for columns in [0, 31, 588] {
            let error = kind.layout(2, columns).unwrap_err().to_string();
            assert!(
                error.contains(&format!("2 rows of {columns} columns")),
                "{error}"
            );
        }
        assert!(kind.layout(usize::MAX / 16, 32).is_err());
        let bytes = kind.quantize(&[1.0; 64], 32).unwrap();
        for wrong in [&bytes[1..], &[bytes.clone(), vec![0]].concat()] {
            let error = kind.dequantize(wrong, 2, 32).unwrap_err().to_string();
            assert!(error.contains("are needed"), "{error}");
        }
    }
}

proptest! {
    /// Nothing is further off than half the widest step and what the scales are rounded by.
    #[test]
    fn every_weight_stays_near(seed in any::<u64>(), size in 1.0e-6f32..1.0e6) {
        let values: Vec<f32> = normal(seed, 256).into_iter().map(|value| value * size).collect();
        for (kind, share) in [(Quant::Q4, 0.2), (Quant::Q8, 0.012)] {
            let found = there_and_back(kind, &values, 128);
            for (row, found) in values.chunks(128).zip(found.chunks(128)) {
                let largest = row.iter().fold(0.0f32, |a, b| a.max(b.abs()));
                for (a, b) in row.iter().zip(found) {
                    prop_assert!((a - b).abs() <= share * largest, "{kind:?}: {a} {b} of {largest}");
                }
            }
        }
    }
}
