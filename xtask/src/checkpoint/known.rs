//! The table of known models says how many numbers their files hold: what follows from the published settings.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::shapes::Shape;
use super::weights::Tensor;

const MODELS: &str = include_str!("../../../crates/core/src/models.json");
/// INF-LLaVA, whose names are a list.
const LISTED: &str = "inf-llava-8b";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// `config.json` of a model.
fn config(short: &str) -> Value {
    let shape = if short == LISTED { "8b" } else { short };
    let folders = ["xtask/checkpoints", "tests/fixtures/known"];
    let files = folders.map(|folder| root().join(folder).join(format!("{shape}.json")));
    let file = files.into_iter().find(|file| file.exists());
    json(&file.expect("its settings"))["config.json"].take()
}

/// The model whose tensors have the same names, of the sizes that `config` says.
fn shape(short: &str, config: &Value) -> Shape {
    match config["model_type"].as_str().expect("a model type") {
        _ if short == LISTED => Shape::InfLlava8b,
        "smolvlm" | "idefics3" => Shape::Smolvlm256m,
        "llava" => Shape::Llava157b,
        // With a newline.
        "llava_next" | "llava_onevision" => Shape::Onevision05b,
        other => panic!("{short} is a {other}"),
    }
}

#[test]
fn known_models_have_as_many_numbers_as_the_table_says() {
    let table: Value = serde_json::from_str(MODELS).expect("JSON");
    let known = table.as_array().expect("a list");
    let mut checked = 0;
    for known in known.iter().filter(|known| known["id"].is_string()) {
        let short = known["short"].as_str().expect("a name");
        let config = config(short);
        let tensors = shape(short, &config).tensors(&config);
        let numbers: u64 = tensors.iter().map(Tensor::len).sum();
        assert_eq!(known["parameters"], numbers, "{short}");
        let bytes = match config["torch_dtype"].as_str() {
            Some("float32") => 4,
            Some("float16" | "bfloat16") => 2,
            other => panic!("{short}: {other:?}"),
        };
        assert_eq!(known["published_bytes"], numbers * bytes, "{short}");
        checked += 1;
    }
    assert_eq!(checked, 11);
}
