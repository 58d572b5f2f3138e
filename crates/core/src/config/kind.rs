//! Which model a config.json describes, before its keys are read one by one.
//! Most folders that fail are intact but contain another kind of model, so the message names the
//! kind and says what to do.

use serde_json::{Map, Value};

use super::file_names::CONFIG_FILE;
use super::given::ConfigFiles;
use super::llava::Llava;
use crate::error::{Error, Result};
use crate::printable::quoted;
use crate::spec::{DEM, PERCEIVER};

/// Keys of which a model's configuration has at least one.
const SIZES: [&str; 5] = [
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
];
/// Keys that must not be `null`: transformers refuses that too.
const NEVER_NULL: [&str; 12] = [
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "vocab_size",
    "rope_theta",
    "rms_norm_eps",
    "max_position_embeddings",
    "hidden_act",
    "image_size",
    "patch_size",
    "layer_norm_eps",
];
/// Keys that identify other files, and the kind of file.
const OTHER_FILES: [(&str, &str); 8] = [
    ("peft_type", "the configuration of an adapter (PEFT)"),
    ("weight_map", "the index of a checkpoint's shards"),
    (
        "image_processor_type",
        "a picture processor's configuration",
    ),
    ("crop_size", "a picture processor's configuration"),
    ("tokenizer_class", "a tokenizer's configuration"),
    ("added_tokens", "a tokenizer"),
    ("format", "the manifest of a converted model"),
    ("eos_token_id", "generation settings"),
];
/// Keys that a model has which sees, besides its decoder's.
const SEES: [&str; 5] = [
    "mm_vision_tower",
    "mm_projector_type",
    "mm_hidden_size",
    "inf_llava",
    "vision_config",
];
/// What is read, by `model_type`.
const RUNS: &str = "what runs here: INF-LLaVA (llava_llama), LLaVA in its original layout (llava_llama, llava_mistral, llava_qwen) and in transformers' (llava, llava_next, llava_onevision), VLSA (vlsa_llama), SmolVLM and Idefics3 (smolvlm, idefics3), and the language models llama, mistral and qwen2";
/// Advice for quantised checkpoints.
const UNQUANTISED: &str = "take the checkpoint that it was made from, in F16, BF16 or F32, and quantise that: inf-llava convert";

/// The layouts of files that are read, each in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// INF-LLaVA's own.
    InfLlava,
    /// SmolVLM and Idefics3.
    Smolvlm,
    /// LLaVA in transformers' layout.
    Llava(Llava),
    /// LLaVA in the original one.
    Original,
    /// VLSA.
    Vlsa,
    /// A language model alone.
    Text,
}

/// Tells which layout it is. INF-LLaVA, VLSA and LLaVA may have the same keys, and differ in their tensors.
///
/// # Errors
/// [`Error::Config`] for any other kind of model, which it names.
pub(super) fn of(config: &Value, files: &ConfigFiles<'_>) -> Result<Kind> {
    let bad = |reason: String| Err(Error::config(CONFIG_FILE, reason));
    let Some(config) = config.as_object() else {
        return bad("it must be an object ({...}) with the model's sizes".into());
    };
    if let Some(reason) = quantised(config) {
        return bad(reason);
    }
    let kind = config.get("model_type").and_then(Value::as_str);
    match kind {
        Some("smolvlm" | "idefics3") => return Ok(Kind::Smolvlm),
        Some("llava_next") => return Ok(Kind::Llava(Llava::Next)),
        Some("llava_onevision") => return Ok(Kind::Llava(Llava::Onevision)),
        _ => {}
    }
    let has_sizes = SIZES.iter().any(|size| config.contains_key(*size));
    // The original layout has the decoder's sizes at the top level.
    if kind == Some("llava") && (is_set(config, "text_config") || !has_sizes) {
        return Ok(Kind::Llava(Llava::One));
    }
    // transformers omits a part whose values are the defaults of its class.
    if is_set(config, "text_config") || (!has_sizes && is_set(config, "vision_config")) {
        return bad(in_parts(config));
    }
    if !has_sizes {
        return bad(no_model(config));
    }
    let sees = SEES.into_iter().any(|name| is_set(config, name));
    if !sees && matches!(kind, Some("llama" | "mistral" | "qwen2")) {
        return Ok(Kind::Text);
    }
    let is_dual = is_set(config, "inf_llava") || files.has_tensors(DEM);
    if !is_dual && let Some(kind) = of_original(config, files) {
        return Ok(kind);
    }
    check_type(config, is_dual)?;
    let vision = config.get("vision_config").and_then(Value::as_object);
    let parts = [("", Some(config)), ("vision_config.", vision)];
    for (part, entries) in parts {
        let is_null = |name: &&&str| entries.is_some_and(|e| e.get(**name) == Some(&Value::Null));
        if let Some(name) = NEVER_NULL.iter().find(is_null) {
            return bad(format!(
                "{part}{name} is null; state it, or leave it out for its default"
            ));
        }
    }
    Ok(Kind::InfLlava)
}

fn is_set(config: &Map<String, Value>, name: &str) -> bool {
    config.get(name).is_some_and(|value| !value.is_null())
}

/// The text of a key's value, for messages.
fn text(config: &Map<String, Value>, name: &str) -> String {
    match config.get(name) {
        None | Some(Value::Null) => "none".into(),
        Some(Value::String(text)) => quoted(text),
        Some(other) => quoted(&other.to_string()),
    }
}

/// The message if the weights are quantised by another program.
fn quantised(config: &Map<String, Value>) -> Option<String> {
    let block = ["quantization_config", "quantization", "compression_config"];
    let name = block.into_iter().find(|name| is_set(config, name))?;
    let inner = config.get(name).and_then(Value::as_object);
    let says = |entry: &str| inner.is_some_and(|inner| is_set(inner, entry));
    let is_yes = |entry: &str| inner.and_then(|inner| inner.get(entry)) == Some(&Value::Bool(true));
    let method = inner.map_or("none".into(), |inner| text(inner, "quant_method"));
    // Some programs write this block for every model, with all its settings off.
    let chooses = ["load_in_4bit", "load_in_8bit"].map(|entry| says(entry).then(|| is_yes(entry)));
    let is_off = chooses.iter().any(Option::is_some) && !chooses.contains(&Some(true));
    let is_theirs = matches!(method.as_str(), "none" | "\"bitsandbytes\"");
    if inner.is_some_and(Map::is_empty) || (is_off && is_theirs) {
        return None;
    }
    let how = match () {
        () if is_yes("load_in_4bit") => "bitsandbytes, 4 bits".into(),
        () if is_yes("load_in_8bit") => "bitsandbytes, 8 bits".into(),
        () if method != "none" => format!("quant_method {method}"),
        () if says("group_size") => "MLX".into(),
        () => "a method that it does not name".into(),
    };
    Some(format!(
        "{name} is set: the weights are quantised ({how}), and such files are not read; {UNQUANTISED}"
    ))
}

/// The message for a configuration in parts, the layout of transformers' own classes.
fn in_parts(config: &Map<String, Value>) -> String {
    let kind = text(config, "model_type");
    format!(
        "it is of a model in transformers' own layout (model_type {kind}, with text_config), which is not run here; {RUNS}"
    )
}

/// The message for a file without any size of a model.
fn no_model(config: &Map<String, Value>) -> String {
    let says = ["error", "message", "detail"]
        .into_iter()
        .find(|name| is_set(config, name));
    if let Some(name) = says {
        let said = text(config, name);
        return format!(
            "it is no model's configuration but an answer that says {said}; download it again"
        );
    }
    let other = OTHER_FILES
        .iter()
        .find(|(entry, _)| config.contains_key(*entry));
    let sizes = SIZES.join(", ");
    match other {
        Some((entry, what)) => format!(
            "it has none of {sizes}, and {entry}: it is {what}, not the configuration of a model"
        ),
        None => format!("it has none of {sizes}; it is not the configuration of a model"),
    }
}

/// VLSA or LLaVA in the original layout; none if it may be INF-LLaVA, which is assumed where the tensors are not known.
fn of_original(config: &Map<String, Value>, files: &ConfigFiles<'_>) -> Option<Kind> {
    let kind = config.get("model_type").filter(|kind| !kind.is_null());
    let kind = kind.map_or("llava", |kind| kind.as_str().unwrap_or_default());
    let kind = kind.replace('-', "_");
    if kind == "vlsa_llama" || is_set(config, "vlsa") || files.has_tensors(PERCEIVER) {
        return Some(Kind::Vlsa);
    }
    match kind.as_str() {
        "llava_mistral" | "llava_qwen" | "mistral" | "qwen2" => Some(Kind::Original),
        kind if kind == "llava" || kind == "llama" || kind.starts_with("llava_llama") => {
            files.tensors.map(|_| Kind::Original)
        }
        _ => None,
    }
}

/// Requires INF-LLaVA's names for a LLaMA decoder with a vision tower.
fn check_type(config: &Map<String, Value>, is_dual: bool) -> Result<()> {
    let kind = config.get("model_type").filter(|kind| !kind.is_null());
    let kind = kind.map(|kind| kind.as_str().unwrap_or_default().replace('-', "_"));
    let shown = text(config, "model_type");
    let bad = |reason: String| Err(Error::config(CONFIG_FILE, reason));
    match kind.as_deref() {
        None | Some("llava" | "llama") => Ok(()),
        Some(kind) if kind.starts_with("llava_llama") || kind.starts_with("inf_llava") => Ok(()),
        Some(_) if is_dual => bad(format!(
            "model_type is {shown}; INF-LLaVA's is \"llava_llama\" (LLaMA with a CLIP tower), and no other is run here"
        )),
        Some(_) => bad(format!(
            "model_type is {shown}, which is not run here; {RUNS}"
        )),
    }
}
