//! What a checkpoint has beside the model: of no consequence, or a sign that it is another model's.

use inf_llava_core::spec::{EMBEDDINGS, TOWER, Weight};
use std::fs;

use inf_llava_core::weights::unread::unread;
use serde_json::Value;

use super::*;

fn tiny_names() -> Vec<Weight> {
    let json = fs::read(crate::fixture("tiny").join("config.json")).expect("config.json");
    Config::from_json(&json, None).expect("config").weights()
}

/// A copy of `tiny` with these tensors in a shard of their own.
fn tiny_with(extra: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(crate::fixture("tiny")).expect("fixture") {
        let from = entry.expect("entry").path();
        if from.is_file() {
            fs::copy(&from, dir.path().join(from.file_name().expect("a name"))).expect("a copy");
        }
    }
    let path = dir.path().join(INDEX);
    let mut index: Value = serde_json::from_slice(&fs::read(&path).expect("index")).expect("JSON");
    for name in extra {
        index["weight_map"][*name] = "extra.safetensors".into();
    }
    fs::write(path, index.to_string()).expect("index");
    let tensors: Vec<Stored> = extra.iter().map(|name| f32s(name, &[1], &[1.0])).collect();
    fs::write(dir.path().join("extra.safetensors"), shard(&tensors)).expect("a shard");
    dir
}

#[test]
fn a_tensor_that_would_change_the_answers_is_not_left_unread() {
    let names = tiny_names();
    for (name, words) in [
        ("model.layers.0.self_attn.q_proj.bias", "a bias"),
        ("model.layers.2.self_attn.q_norm.weight", "another kind"),
        ("model.norm.bias", "a bias"),
        ("lm_head.bias", "a bias"),
        ("model.mm_projector.4.weight", "another kind"),
        ("model.vision_resampler.query", "another kind"),
        (
            "model.layers.3.input_layernorm.weight",
            "num_hidden_layers 3",
        ),
        ("model.spatial_embed.conv_fuse.weight", "inf_llava"),
        ("model.layers.1.mlp.up_proj.weight_scale_2", "quantised"),
        ("model.layers.1.mlp.up_proj.input_scale", "quantised"),
        ("model.layers.1.self_attn.k_scale", "quantised"),
        (
            "model.layers.1.mlp.up_proj.lora_A.weight",
            "merge_and_unload",
        ),
        (
            "base_model.model.model.layers.1.mlp.up_proj.lora_A.default.weight",
            "merge_and_unload",
        ),
        ("lora_magnitude.layers.1.mlp.up_proj", "merge_and_unload"),
        (
            "model.vision_tower.vision_tower.vision_model.encoder.layers.2.self_attn.q_norm.weight",
            "another kind",
        ),
        (
            "model.vision_tower.vision_tower.vision_model.encoder.layers.4.mlp.fc1.weight",
            "vision_config.num_hidden_layers 4",
        ),
    ] {
        let dir = tiny_with(&[name]);
        let error = open(dir.path()).expect("a checkpoint").check_all(&names);
        let error = error.expect_err(name);
        assert_eq!(error.code(), "checkpoint", "{error}");
        assert_says(&error, &[name, words]);
    }
}

#[test]
fn what_the_release_leaves_out_too_may_be_there() {
    let names = tiny_names();
    let post = format!("{TOWER}.post_layernorm.weight");
    let text = "model.vision_tower.vision_tower.text_model.encoder.layers.0.mlp.fc1.weight";
    let last = format!("{TOWER}.encoder.layers.3.mlp.fc1.weight");
    let ids = format!("{TOWER}.embeddings.position_ids");
    let without_effect = [
        "model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
        "model.image_newline",
        text,
        "model.vision_tower.vision_tower.visual_projection.weight",
        "model.vision_tower.vision_tower.logit_scale",
        "value_head.weight",
        &post,
        &last,
        &ids,
    ];
    let there = without_effect.into_iter();
    assert_eq!(unread(&names, there), None);
    let dir = tiny_with(&["model.rotary_emb.inv_freq", "model.image_newline", &ids]);
    assert_eq!(open(dir.path()).expect("valid").check_all(&names), Ok(()));

    // The released checkpoint, and every one here.
    let released = released_tensors();
    let json = crate::config::released().to_string();
    let config = Config::from_json(json.as_bytes(), None).expect("released");
    let there = released.keys().map(String::as_str);
    assert_eq!(unread(&config.weights(), there), None);
    let root = crate::root();
    let mut folders: Vec<_> = FIXTURES.iter().map(|name| crate::fixture(name)).collect();
    folders.push(root.join("models/demo"));
    for folder in folders {
        let json = fs::read(folder.join("config.json")).expect("config.json");
        let config = Config::from_json(&json, None).expect("config");
        let checkpoint = open(&folder).expect("valid");
        let whole = checkpoint.check_all(&config.weights());
        assert_eq!(whole, Ok(()), "{}", folder.display());
    }
}

#[test]
fn an_adapter_beside_a_whole_model_is_not_passed_over() {
    let weights = shard(&[f32s(EMBEDDINGS, &[1], &[1.0])]);
    for file in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "non_lora_trainables.bin",
    ] {
        let dir = folder(&[("config.json", b"{}"), (SINGLE, &weights), (file, b"{}")]);
        let error = open(dir.path()).err().expect(file).to_string();
        assert!(error.contains(file) && error.contains("merge"), "{error}");
    }
}

#[test]
fn names_with_more_or_less_in_front_are_told_as_that() {
    let tower = "model.vision_tower.vision_tower.vision_model.embeddings.class_embedding";
    for (there, wanted, words) in [
        (
            format!("state_dict.{EMBEDDINGS}"),
            EMBEDDINGS,
            ["begins with", "\"state_dict.\""],
        ),
        (
            format!("llava.{tower}"),
            tower,
            ["begins with", "\"llava.\""],
        ),
        (
            "spatial_embed.ln_fuse.weight".into(),
            "model.spatial_embed.ln_fuse.weight",
            ["without the model.", "save the whole one"],
        ),
    ] {
        let dir = folder(&[(SINGLE, &shard(&[f32s(&there, &[1], &[1.0])]))]);
        let checkpoint = open(dir.path()).expect("a checkpoint");
        let error = checkpoint
            .check(wanted, &[1])
            .expect_err("another name")
            .to_string();
        for word in words.iter().chain([&there.as_str()]) {
            assert!(error.contains(word), "{error}");
        }
        assert!(!error.contains("--vision-tower"), "{error}");
    }
}
