//! The program on model folders: `parity`, `stages`, `info`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use super::{case, ids, image, json, refused, run, stdout, text, tiny};

/// A copy of `tiny` whose weights may be spoilt.
pub fn copy_of_tiny() -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).expect("fixture") {
            let from = entry.expect("entry").path();
            let to = to.join(from.file_name().expect("a name"));
            if from.is_dir() {
                std::fs::create_dir(&to).expect("a folder");
                copy(&from, &to);
            } else {
                std::fs::copy(&from, &to).expect("a copy");
            }
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    copy(&crate::fixture("tiny"), dir.path());
    dir
}

/// Sets the first number of the tensor `name` in the folder `dir`.
fn set_weight(dir: &Path, name: &str, value: f32) {
    let index = std::fs::read(dir.join("model.safetensors.index.json")).expect("index");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let shard: PathBuf = dir.join(index["weight_map"][name].as_str().expect("a shard"));
    let mut bytes = std::fs::read(&shard).expect("the shard");
    let (header, metadata) = SafeTensors::read_metadata(&bytes).expect("header");
    let at = 8 + header + metadata.info(name).expect("the tensor").data_offsets.0;
    let old = f32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    assert_ne!(old.to_bits(), value.to_bits(), "it is {value} already");
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    std::fs::write(&shard, bytes).expect("written");
}

#[test]
fn parity_sees_one_wrong_weight() {
    let dir = copy_of_tiny();
    let model = dir.path().display().to_string();
    let args = ["parity", "--device", "cpu", "--model", &model];
    let table = stdout(&args);
    assert!(
        table.contains("wide.step_logits") && !table.contains("BEYOND"),
        "{table}"
    );
    assert!(table.contains(" 0 beyond their limit"), "{table}");

    for name in ["model.norm.weight", "model.spatial_embed.ln_fuse.bias"] {
        let dir = copy_of_tiny();
        set_weight(dir.path(), name, 2.0);
        let model = dir.path().display().to_string();
        let output = run(&["parity", "--device", "cpu", "--model", &model]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(text(&output.stdout).contains("BEYOND"), "{name}");
        let output = run(&["parity", "--json", "--device", "cpu", "--model", &model]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert_eq!(json(text(&output.stdout))["passed"], false, "{name}");
    }
}

/// A NaN in a file is refused when it is read; a number so large that the arithmetic overflows is
/// not seen before the logits.
#[test]
fn weights_that_are_no_numbers_give_no_answer() {
    let name = "model.layers.0.input_layernorm.weight";
    for (value, code, word) in [(f32::NAN, 3, name), (3e38, 6, "not a number")] {
        let dir = copy_of_tiny();
        set_weight(dir.path(), name, value);
        let model = dir.path().display().to_string();
        let args = [
            "chat", "--device", "cpu", "--model", &model, "--prompt", "Hi",
        ];
        refused(&args, code, &[word]);
    }
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors(file: &Path) -> Tensors {
    let bytes = std::fs::read(file).expect("written");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let values = |dtype, data: &[u8]| match dtype {
        Dtype::U8 => data.iter().map(|&byte| f32::from(byte)).collect(),
        Dtype::F32 => data
            .as_chunks()
            .0
            .iter()
            .map(|&four| f32::from_le_bytes(four))
            .collect(),
        other => panic!("{other:?}"),
    };
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        (
            name,
            (view.shape().to_vec(), values(view.dtype(), view.data())),
        )
    };
    file.tensors().into_iter().map(tensor).collect()
}

fn stages(case_name: &str, image_index: usize, more: &[&str]) -> Tensors {
    let (case, question) = case(case_name);
    let forced: Vec<String> = ids(&case["greedy_ids"])
        .iter()
        .map(i64::to_string)
        .collect();
    let dir = tempfile::tempdir().expect("a folder");
    let out = dir.path().join("stages.safetensors");
    let (model, image, forced) = (tiny(), image(image_index), forced.join(","));
    let mut args = vec![
        "stages", "--device", "cpu", "--model", &model, "--image", &image,
    ];
    args.extend(["--prompt", &question, "--force-ids", &forced]);
    args.extend(["--out", out.to_str().expect("a path")]);
    args.extend(more);
    assert_eq!(stdout(&args), "", "the file is the output");
    tensors(&out)
}

/// Largest absolute error allowed, as in the fixtures' README.
fn limit(name: &str) -> f32 {
    match name {
        "square_u8" => 0.0,
        name if name.contains("logits") => 1e-3,
        _ => 2e-4,
    }
}

/// Compares what is in both under `prefix`, and gives the names.
fn compare(found: &Tensors, expected: &Tensors, prefix: &str, skip: &[&str]) -> Vec<String> {
    let mut compared = Vec::new();
    for (key, (shape, values)) in expected {
        let Some(name) = key.strip_prefix(prefix).filter(|name| !skip.contains(name)) else {
            continue;
        };
        let (found_shape, found) = found
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(found_shape, shape, "{name}");
        let error = |(a, b): (&f32, &f32)| (a - b).abs();
        for error in found.iter().zip(values).map(error) {
            assert!(error <= limit(name), "{name}: {error}");
        }
        assert_eq!(found.len(), values.len());
        compared.push(name.to_string());
    }
    compared
}

#[test]
fn stages_writes_what_pytorch_computes() {
    let expected = tensors(&crate::fixture("tiny").join("expected.safetensors"));
    let dense = stages("single", 0, &["--dense"]);
    assert_eq!(compare(&dense, &expected, "0.", &[]).len(), 16);
    assert_eq!(compare(&dense, &expected, "single.", &[]).len(), 3);
    assert_eq!(dense.len(), 19, "all of it is compared: {:?}", dense.keys());

    // Without --dense what is dead is left out, and what is alive is the same.
    let live = stages("wide", 1, &[]);
    let dead = ["dem_fused_map", "features_global"];
    assert!(compare(&live, &expected, "1.", &[&dead[..], &["low"]].concat()).len() >= 7);
    assert_eq!(compare(&live, &expected, "wide.", &[]).len(), 2);
    assert!(!live.contains_key("dem_fused_map"));
    let central = 4 * 16 * 64..5 * 16 * 64;
    let (shape, features) = &live["features_global"];
    assert_eq!(*shape, [1, 16, 64], "one global crop is alive");
    let error = |(a, b): (&f32, &f32)| (a - b).abs();
    let mut errors = features
        .iter()
        .zip(&expected["1.features_global"].1[central])
        .map(error);
    assert!(errors.all(|error| error <= limit("features_global")));
}

#[test]
fn info_tells_what_a_model_needs() {
    let model = tiny();
    let info = json(&stdout(&["info", "--json", "--model", &model]));
    for (name, expected) in [
        ("parameters", 510_248),
        ("crops_per_side", 3),
        ("crop_px", 56),
        ("image_px", 168),
        ("image_tokens", 16),
        ("vision_layers_run", 3),
        ("language_layers", 3),
        ("vocabulary", 507),
        ("context_tokens", 4096),
    ] {
        assert_eq!(info[name], expected, "{name}");
    }
    assert_eq!(
        info["vision_passes"],
        serde_json::json!({"live": 10, "dense": 19})
    );
    let configuration = serde_json::json!({
        "low_resolution": true, "pooling": "bilinear", "modules": "dcm_dem",
        "enhancement": "both", "fusion": "linear_concat", "dem": "released",
    });
    assert_eq!(info["configuration"], configuration);
    assert_eq!(info["stored_as"], serde_json::json!(["F32"]));
    assert_eq!(info["files"].as_array().map(Vec::len), Some(2));
    let memory = |part: &str| info["memory_bytes"][part].as_u64().expect("bytes");
    assert_eq!(memory("weights"), 510_248 * 4);
    // Key and value, 3 layers, 2 heads of 16 channels, 4 bytes, 4096 tokens.
    assert_eq!(memory("cache"), 2 * 3 * 2 * 16 * 4 * 4096);
    assert_eq!(
        memory("total"),
        ["weights", "cache", "activations"]
            .map(memory)
            .iter()
            .sum::<u64>()
    );
    let words = stdout(&["info", "--model", &model]);
    assert!(
        words.contains("510248 parameters") && words.contains("10 vision passes"),
        "{words}"
    );
}

/// Each operation is as right without its kernel, and the greedy answer needs none either.
#[test]
fn parity_without_kernels() {
    let model = crate::fixture("tiny").display().to_string();
    let ask = |more: &[&str]| {
        let mut args = vec!["parity", "--json", "--device", "wgpu", "--model", &model];
        args.extend(more);
        json(&stdout(&args))
    };
    let all: Vec<&str> = inf_llava::gpu::ops::kernels()
        .map(|kernel| kernel.name)
        .collect();
    let without: Vec<&str> = all
        .iter()
        .flat_map(|name| ["--without-kernel", name])
        .collect();
    assert_eq!(ask(&without)["passed"], true);
    for name in ["quantized_matvec", "norm", "matvec"] {
        assert_eq!(ask(&["--without-kernel", name])["passed"], true, "{name}");
    }
    let args = ["parity", "--model", &model, "--without-kernel", "matvek"];
    refused(&args, 2, &["matvek", "quantized_matvec"]);
}
