//! What a checkpoint has beside the model: of no consequence, or a sign that it is another model's.

use inf_llava_core::spec::{EMBEDDINGS, Kind, TOWER, Weight};
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

/// What is said of the tensor `name` beside those of a whole model.
fn shown(wanted: &[Weight], name: &str) -> Option<String> {
    let (found, told) = unread(wanted, [name].into_iter())?;
    assert_eq!(found, name);
    Some(told)
}

/// What a checkpoint of the family may have beside the tensors that are read, and what it may not.
#[test]
fn what_has_no_effect_in_the_family_may_be_there() {
    let tower = |rest: &str| format!("{TOWER}.{rest}");
    let harmless = [
        tower("embeddings.position_ids"),
        tower("head.attention.in_proj_weight"),
        tower("head.probe"),
        "model.layers.0.self_attn.rotary_emb.inv_freq".into(),
        "model.rotary_emb.inv_freq".into(),
        "model.image_newline".into(),
        "model.vision_tower.vision_tower.text_model.encoder.layers.0.mlp.fc1.weight".into(),
        "model.vision_tower.vision_tower.logit_scale".into(),
    ];
    let others = [
        "model.layers.0.self_attn.o_proj.bias".to_string(),
        "model.norm.bias".into(),
        "lm_head.bias".into(),
        "model.layers.1.self_attn.q_norm.weight".into(),
        "model.layers.9.input_layernorm.weight".into(),
        "model.mm_projector.4.weight".into(),
        "model.vision_resampler.query".into(),
        "model.connector.perceiver_resampler.latents".into(),
        "multi_modal_projector.layer_norm.weight".into(),
        "language_model.transformer.h.0.attn.weight".into(),
        "model.sa_perceiver.gate".into(),
        "model.layers.0.mlp.up_proj.weight_scale".into(),
        tower("encoder.layers.0.self_attn.q_norm.weight"),
        tower("encoder.layers.0.mlp.fc1.lora_A.weight"),
    ];
    for name in family::NAMES {
        let model = family::model(name);
        let weights = model.weights();
        let shows = |tensor: &str| shown(&weights, tensor);
        for tensor in &harmless {
            assert_eq!(shows(tensor), None, "{name}");
        }
        for tensor in &others {
            let told = shows(tensor).unwrap_or_else(|| panic!("{name}: {tensor}"));
            assert!(!told.contains("INF-LLaVA"), "{name}: {told}");
        }
        let query = shows("model.layers.1.self_attn.q_proj.bias");
        assert_eq!(query.is_none(), model.decoder.qkv_bias, "{name}");
        // The head of a model that has none of its own: transformers does not read it either.
        let head = shows("lm_head.weight");
        assert_eq!(head, None, "{name}");
        // What follows the last computed layer: of no effect, unless all are computed.
        let layer = model.tower.layers_run();
        let later = tower(&format!("encoder.layers.{layer}.mlp.fc1.weight"));
        let later = shows(&later);
        assert_eq!(
            later.is_some(),
            model.tower.has_post_norm,
            "{name}: {later:?}"
        );
        if let Some(told) = later {
            assert!(
                told.contains(&format!("num_hidden_layers {layer} ")),
                "{told}"
            );
        }
        let far = tower("encoder.layers.40.mlp.fc1.weight");
        assert_eq!(shows(&far).is_some(), model.tower.has_post_norm, "{name}");
        assert_eq!(shows(&tower("post_layernorm.weight")), None, "{name}");
    }
}

#[test]
fn a_head_of_its_own_is_read_or_of_another_model() {
    let mut model = family::model("llava-clip-llama");
    let untied = model.weights();
    assert_eq!(shown(&untied, "lm_head.weight"), None, "it is read");
    // A model that is neither tied nor has a head: its configuration does not say so.
    let headless: Vec<Weight> = untied
        .iter()
        .filter(|w| w.name != "lm_head.weight")
        .cloned()
        .collect();
    assert!(shown(&headless, "lm_head.weight").is_some());
    model.decoder.tied = true;
    let tied = model.weights();
    assert_eq!(shown(&tied, "lm_head.weight"), None);
    let told = shown(&tied, "lm_head.bias").expect("a bias");
    assert!(
        told.contains("a bias where the model of config.json has none"),
        "{told}"
    );
    // A file that has both: read as the configuration says.
    let dir = folder(&[(
        SINGLE,
        &shard(&[
            f32s("embed_tokens.weight", &[2, 2], &[1.0; 4]),
            f32s("lm_head.weight", &[2, 2], &[2.0; 4]),
        ]),
    )]);
    let embeddings = |kind| Weight {
        name: EMBEDDINGS.into(),
        shape: vec![2, 2],
        kind,
    };
    let checkpoint = open(dir.path()).expect("valid");
    assert_eq!(
        checkpoint.check_all(&[embeddings(Kind::TiedEmbeddings)]),
        Ok(())
    );
    let error = checkpoint.check_all(&[embeddings(Kind::Embeddings)]);
    assert_says(
        &error.expect_err("a head"),
        &["lm_head.weight", "config.json"],
    );
}

#[test]
fn a_tower_beside_a_language_model_is_of_another_model() {
    for name in family::NAMES {
        let model = family::model(name);
        let seeing = [model.tower.weights(), model.connector.weights()].concat();
        let text = model.decoder.weights();
        for weight in seeing.iter().filter(|w| w.name != "model.image_newline") {
            let told = shown(&text, &weight.name).expect(&weight.name);
            assert!(
                told.contains("sees pictures"),
                "{name} {}: {told}",
                weight.name
            );
        }
        // As a folder: by the name in the file.
        let error = open(&family::folder(name)).expect("valid").check_all(&text);
        let error = error.expect_err("a tower");
        assert_eq!(error.code(), "checkpoint");
        assert_says(&error, &["sees pictures", "config.json that belongs"]);
    }
    let text = family::model("llava-clip-llama").decoder.weights();
    for name in [
        "visual.blocks.0.attn.qkv.weight",
        "vision_model.encoder.layers.0.mlp.fc1.weight",
        "vision_tower.blocks.0.weight",
    ] {
        let told = shown(&text, name).expect(name);
        assert!(told.contains("sees pictures"), "{told}");
    }
    let harmless = [
        "model.image_newline",
        "value_head.weight",
        "model.rotary_emb.inv_freq",
    ];
    assert_eq!(unread(&text, harmless.into_iter()), None);
}
