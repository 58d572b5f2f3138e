//! Checkpoints: right ones are read exactly, wrong tensors are refused by name. Broken and hostile
//! files are in `weights_hostile.rs`.

use inf_llava_core::spec::{TOWER, Weight, parameters};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use inf_llava_core::Error;
use inf_llava_core::config::Config;
use inf_llava_core::weights::checkpoint::Checkpoint;
use inf_llava_core::weights::folder::Folder;
use inf_llava_core::weights::source::Source;
use inf_llava_core::weights::tensors::Tensors;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use serde_json::json;
use tempfile::TempDir;

pub mod family;
mod hostile;
mod kinds;
mod spelling;
mod told;
mod unread;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const FIXTURES: [&str; 4] = ["tiny", "tiny-n2-bf16", "tiny-n4-f16", "released-geometry"];

type Stored<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

fn f32s<'a>(name: &'a str, shape: &[usize], values: &[f32]) -> Stored<'a> {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    (name, Dtype::F32, shape.to_vec(), bytes)
}

fn shard(tensors: &[Stored]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor");
        (*name, view)
    });
    serialize(views, None).expect("a shard")
}

fn index(entries: &[(&str, &str)]) -> Vec<u8> {
    let map: BTreeMap<_, _> = entries.iter().copied().collect();
    json!({"metadata": {"total_size": 1}, "weight_map": map})
        .to_string()
        .into_bytes()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).expect("a file");
    }
    dir
}

fn open(dir: &Path) -> Result<Checkpoint<Folder>, Error> {
    crate::block_on(Checkpoint::open(Folder::new(dir)))
}

fn read<S: Source>(at: &Checkpoint<S>, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
    crate::block_on(at.read_f32(name, shape))
}

fn assert_says(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn one_file_or_several_are_read() {
    let a = f32s("a", &[2, 2], &[1.0, -2.5, 3.0, 4.0]);
    let b = f32s("b", &[3], &[5.0, 6.0, 7.0]);
    let other_b = f32s("b", &[3], &[8.0, 8.0, 8.0]);
    let one = folder(&[(SINGLE, &shard(&[a.clone(), b.clone()]))]);
    // The second shard has a `b` too: the index alone says which one counts.
    let two = folder(&[
        ("x.safetensors", &shard(&[a, other_b])),
        ("y.safetensors", &shard(&[b])),
        (
            INDEX,
            &index(&[("a", "x.safetensors"), ("b", "y.safetensors")]),
        ),
    ]);
    for dir in [&one, &two] {
        let checkpoint = open(dir.path()).expect("valid");
        assert_eq!(
            read(&checkpoint, "a", &[2, 2]),
            Ok(vec![1.0, -2.5, 3.0, 4.0])
        );
        assert_eq!(read(&checkpoint, "b", &[3]), Ok(vec![5.0, 6.0, 7.0]));
        assert_eq!(
            (checkpoint.stored_bytes(), checkpoint.dtypes()),
            (28, vec!["F32".into()])
        );
    }
    for (folder, expected) in [
        (&one, vec![SINGLE]),
        (&two, vec!["x.safetensors", "y.safetensors"]),
    ] {
        let checkpoint = open(folder.path()).expect("valid");
        let files: Vec<&str> = checkpoint.files().map(|(_, file)| file).collect();
        assert_eq!(files, expected);
    }
}

#[test]
fn every_half_is_converted_exactly() {
    // From the definition: sign, 5 bits of exponent (bias 15), 10 of fraction.
    let f16 = |bits: u16| {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
        let size = match exponent {
            0 => fraction * 2f64.powi(-14),
            31 => f64::INFINITY,
            _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
        };
        (if bits >> 15 == 1 { -size } else { size }) as f32
    };
    let bf16 = |bits: u16| f32::from_bits(u32::from(bits) << 16);
    let kinds: [(Dtype, &dyn Fn(u16) -> f32); 2] = [(Dtype::F16, &f16), (Dtype::BF16, &bf16)];
    for (dtype, convert) in kinds {
        let finite: Vec<u16> = (0..=u16::MAX)
            .filter(|&bits| convert(bits).is_finite())
            .collect();
        assert!(finite.len() > 60_000);
        let bytes = finite.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let file = shard(&[("w", dtype, vec![finite.len()], bytes)]);
        let dir = folder(&[(SINGLE, &file)]);
        let values = read(&open(dir.path()).expect("valid"), "w", &[finite.len()]).expect("values");
        assert_eq!(values.len(), finite.len());
        for (value, &bits) in values.iter().zip(&finite) {
            assert_eq!(
                value.to_bits(),
                convert(bits).to_bits(),
                "{dtype:?} {bits:#06x}"
            );
        }
    }
}

#[test]
fn values_that_are_no_numbers_are_named() {
    let halves = |bits: &[u16]| {
        bits.iter()
            .flat_map(|b| b.to_le_bytes())
            .collect::<Vec<_>>()
    };
    let cases = [
        (f32s("w.weight", &[3], &[0.0, f32::NAN, f32::NAN]), 1, "NaN"),
        (f32s("w.weight", &[3], &[0.0, 1.0, f32::INFINITY]), 2, "inf"),
        (
            f32s("w.weight", &[3], &[f32::NEG_INFINITY, 1.0, f32::NAN]),
            0,
            "-inf",
        ),
        (
            (
                "w.weight",
                Dtype::F16,
                vec![3],
                halves(&[0, 0x7c01, 0x7c00]),
            ),
            1,
            "NaN",
        ),
        (
            ("w.weight", Dtype::BF16, vec![3], halves(&[0, 0, 0xff80])),
            2,
            "-inf",
        ),
    ];
    for (tensor, at, what) in cases {
        let dir = folder(&[(SINGLE, &shard(&[f32s("ok", &[1], &[1.0]), tensor]))]);
        let checkpoint = open(dir.path()).expect("the header is fine");
        assert_eq!(
            checkpoint.check("w.weight", &[3]),
            Ok(()),
            "values are not looked at yet"
        );
        let error = read(&checkpoint, "w.weight", &[3]).expect_err("not finite");
        let file = dir.path().join(SINGLE).display().to_string();
        assert_says(&error, &["w.weight", &file, what, &format!("element {at}")]);
        let Error::TensorValue { index, value, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!((index, value.as_str()), (at, what));
    }
}

#[test]
fn a_misnamed_tensor_is_missing_with_a_hint() {
    let wanted = "model.layers.0.self_attn.q_proj.weight";
    let near = "transformer.layers.0.self_attn.q_proj.weight";
    let dir = folder(&[(
        SINGLE,
        &shard(&[f32s(near, &[1], &[1.0]), f32s("b", &[1], &[1.0])]),
    )]);
    let checkpoint = open(dir.path()).expect("valid");
    let error = checkpoint.check(wanted, &[1]).expect_err("missing");
    let path = dir.path().join(SINGLE).display().to_string();
    assert_says(&error, &[wanted, near, &path]);
    let Error::TensorMissing { name, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(name, wanted);
    assert_eq!(read(&checkpoint, wanted, &[1]), Err(error));

    // Nothing near: no guess.
    let error = checkpoint
        .check("model.norm.bias", &[1])
        .expect_err("missing");
    assert!(!error.to_string().contains("nearest"), "{error}");
}

#[test]
fn a_wrong_shape_names_both() {
    let dir = folder(&[(SINGLE, &shard(&[f32s("w", &[2, 3], &[0.0; 6])]))]);
    let checkpoint = open(dir.path()).expect("valid");
    for shape in [&[3, 2][..], &[6], &[2, 3, 1], &[1, 3], &[2, 2], &[]] {
        let error = checkpoint.check("w", shape).expect_err("another shape");
        assert!(matches!(error, Error::TensorShape { .. }), "{error:?}");
        assert_says(&error, &["w", SINGLE, "[2, 3]", &format!("{shape:?}")]);
        assert_eq!(read(&checkpoint, "w", shape), Err(error));
    }
}

/// Some checkpoints pad the vocabulary to a round number; nothing else may have rows to spare.
#[test]
fn only_the_vocabulary_may_have_rows_to_spare() {
    let values: Vec<f32> = (0..10u8).map(f32::from).collect();
    let names = [
        "lm_head.weight",
        "model.embed_tokens.weight",
        "model.mm_projector.0.weight",
    ];
    let tensors = names.map(|name| f32s(name, &[5, 2], &values));
    let dir = folder(&[(SINGLE, &shard(&tensors))]);
    let checkpoint = open(dir.path()).expect("valid");
    for name in &names[..2] {
        assert_eq!(
            read(&checkpoint, name, &[3, 2]),
            Ok(values[..6].to_vec()),
            "{name}"
        );
        for shape in [&[6, 2][..], &[5, 1], &[3, 3], &[10]] {
            let error = checkpoint.check(name, shape).expect_err("another shape");
            assert!(matches!(error, Error::TensorShape { .. }), "{error:?}");
        }
    }
    let error = checkpoint
        .check(names[2], &[3, 2])
        .expect_err("rows to spare");
    assert_says(&error, &[names[2], "[5, 2]", "[3, 2]"]);
}

#[test]
fn other_storage_types_are_refused() {
    for (dtype, name) in [(Dtype::I64, "I64"), (Dtype::F64, "F64")] {
        let dir = folder(&[(SINGLE, &shard(&[("w", dtype, vec![2], vec![0; 16])]))]);
        let error = open(dir.path())
            .expect("valid")
            .check("w", &[2])
            .expect_err("dtype");
        assert!(matches!(error, Error::TensorDtype { .. }), "{error:?}");
        assert_says(&error, &["w", SINGLE, name, "BF16"]);
    }
}

/// Name and shape of every tensor of the released checkpoint.
fn released_tensors() -> BTreeMap<String, Vec<usize>> {
    let text = std::fs::read_to_string(crate::fixture("checkpoint-8b.tsv")).expect("fixture");
    let line = |line: &str| {
        let (name, shape) = line.split_once('\t').expect("name and shape");
        let shape = shape
            .split('x')
            .map(|n| n.parse().expect("a size"))
            .collect();
        (name.to_string(), shape)
    };
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .map(line)
        .collect()
}

#[test]
fn the_released_checkpoint_has_every_tensor() {
    let released = released_tensors();
    let json = super::config::released().to_string();
    let config = Config::from_json(json.as_bytes(), None).expect("released");
    let tensors = config.weights();
    for Weight { name, shape, .. } in &tensors {
        assert_eq!(released.get(name), Some(shape), "{name}");
    }
    let used: BTreeSet<&String> = tensors.iter().map(|weight| &weight.name).collect();
    assert_eq!(used.len(), tensors.len(), "a name comes twice");

    // Nothing else is there but what comes after the features: the last layer and its norm.
    let after = ["encoder.layers.23.", "post_layernorm."].map(|s| format!("{TOWER}.{s}"));
    for name in released.keys().filter(|name| !used.contains(name)) {
        assert!(
            after.iter().any(|prefix| name.starts_with(prefix)),
            "{name} is not read"
        );
    }
    let numbers = |shape: &Vec<usize>| shape.iter().map(|&d| d as u64).product::<u64>();
    assert_eq!(released.values().map(numbers).sum::<u64>(), 8_359_156_864);
    let unread = released.iter().filter(|(name, _)| !used.contains(name));
    let unread: u64 = unread.map(|(_, shape)| numbers(shape)).sum();
    // One layer of 12 * 1024 * 1024 weights with 13 vectors of 1024, and a norm of two.
    assert_eq!(unread, 12 * 1024 * 1024 + 13 * 1024 + 2 * 1024);
    assert_eq!(parameters(&config.weights()), 8_359_156_864 - unread);
}

#[test]
fn every_fixture_has_every_tensor() {
    for fixture in FIXTURES {
        let dir = crate::fixture(fixture);
        let json = std::fs::read(dir.join("config.json")).expect("config.json");
        let config = Config::from_json(&json, None).expect("config");
        let checkpoint = open(&dir).expect("valid");
        let mut numbers = 0;
        for Weight { name, shape, .. } in config.weights() {
            assert_eq!(checkpoint.check(&name, &shape), Ok(()), "{fixture}");
            let values = read(&checkpoint, &name, &shape).expect("values");
            assert_eq!(
                values.len(),
                shape.iter().product::<usize>(),
                "{fixture} {name}"
            );
            numbers += values.len() as u64;
        }
        assert_eq!(parameters(&config.weights()), numbers, "{fixture}");
    }
}
