//! Configurations as other people's tools write them: what is absent has its class's value, and what is no INF-LLaVA is
//! told by what it is.

use inf_llava_core::config::{Config, ConfigFiles};
use serde_json::{Value, json};

use super::{read, refused, tiny, with};

/// `tiny` without the entry at `pointer`.
fn without(pointer: &str) -> Value {
    let mut config = tiny();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = config.pointer_mut(parent).expect("parent");
    parent.as_object_mut().expect("object").remove(name);
    config
}

#[test]
fn an_absent_entry_has_the_value_of_its_class() {
    let language = |name: &str| {
        let config = read(&without(name), None).expect(name);
        config.decoder
    };
    assert_eq!(language("/rope_theta").rope.theta, 10_000.0);
    assert_eq!(language("/rms_norm_eps").rms_norm_eps, 1e-6);
    let positions = language("/max_position_embeddings").max_position_embeddings;
    assert_eq!(positions, 2048);
    assert_eq!(language("/num_key_value_heads").num_key_value_heads, 6);
    assert_eq!(language("/intermediate_size").intermediate_size, 11_008);
    assert_eq!(language("/num_hidden_layers").num_hidden_layers, 32);
    for name in ["hidden_act", "tie_word_embeddings", "mm_hidden_size"] {
        assert_eq!(
            read(&without(&format!("/{name}")), None),
            read(&tiny(), None)
        );
    }
    let mut sparse = without("/num_attention_heads");
    sparse["hidden_size"] = json!(64);
    sparse["num_key_value_heads"] = Value::Null;
    let heads = read(&sparse, None).expect("heads").decoder;
    assert_eq!(
        (heads.num_attention_heads, heads.num_key_value_heads),
        (32, 32)
    );

    // CLIPTowerSpec: a base model of 224 pixels with patches of 32.
    let mut sparse = without("/mm_hidden_size");
    sparse["vision_config"] = json!({});
    let vision = read(&sparse, None)
        .expect("a base tower")
        .vision
        .expect("a tower")
        .tower;
    assert_eq!((vision.hidden_size, vision.intermediate_size), (768, 3072));
    assert_eq!(
        (vision.num_hidden_layers, vision.num_attention_heads),
        (12, 12)
    );
    assert_eq!((vision.view_px, vision.patch_px), (224, 32));
    assert_eq!(vision.layer_norm_eps, 1e-5);
}

#[test]
fn null_is_what_transformers_takes_it_for() {
    for name in [
        "num_key_value_heads",
        "head_dim",
        "rope_scaling",
        "rope_parameters",
        "eos_token_id",
    ] {
        let config = with(&format!("/{name}"), Value::Null);
        assert!(read(&config, None).is_ok(), "{name}");
    }
    for name in [
        "rope_theta",
        "rms_norm_eps",
        "max_position_embeddings",
        "hidden_size",
        "hidden_act",
    ] {
        refused(
            read(&with(&format!("/{name}"), Value::Null), None),
            &[name, "null"],
        );
    }
    let config = with("/vision_config/patch_size", Value::Null);
    refused(read(&config, None), &["vision_config.patch_size", "null"]);
    // Heads that the rest implies may be stated.
    assert!(read(&with("/head_dim", json!(16)), None).is_ok());
    refused(
        read(&with("/head_dim", json!(32)), None),
        &["head_dim", "32", "16"],
    );
}

#[test]
fn the_rotary_base_is_read_in_every_spelling() {
    let theta = |entries: Value| {
        let mut config = without("/rope_theta");
        for (name, value) in entries.as_object().expect("entries") {
            config[name] = value.clone();
        }
        read(&config, None).map(|config| config.decoder.rope.theta)
    };
    // What transformers 5.24.0 reads of each.
    for (entries, expected) in [
        (json!({}), 10_000.0),
        (json!({"rope_theta": 5e5}), 5e5),
        (
            json!({"rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}),
            7.0,
        ),
        (
            json!({"rope_parameters": {"rope_theta": 7.0}, "rope_theta": 5.0}),
            7.0,
        ),
        (
            json!({"rope_parameters": {"rope_type": "default"}, "rope_theta": 5.0}),
            5.0,
        ),
        (
            json!({"rope_parameters": {"rope_type": "default"}}),
            10_000.0,
        ),
        (
            json!({"rope_parameters": null, "rope_scaling": null}),
            10_000.0,
        ),
        (json!({"rope_parameters": {}, "rope_scaling": {}}), 10_000.0),
        (
            json!({"rope_scaling": {"type": "default"}, "rope_theta": 5.0}),
            5.0,
        ),
        (
            json!({"rope_scaling": {"rope_type": "default", "rope_theta": 9.0},
                   "rope_parameters": {"rope_type": "default", "rope_theta": 7.0}}),
            9.0,
        ),
    ] {
        assert_eq!(theta(entries.clone()), Ok(expected), "{entries}");
    }
    for kind in ["linear", "dynamic", "yarn", "longrope", "llama3", "mrope"] {
        for (name, spelling) in [
            ("rope_scaling", "type"),
            ("rope_scaling", "rope_type"),
            ("rope_parameters", "rope_type"),
        ] {
            let config = with(&format!("/{name}"), json!({spelling: kind, "factor": 8.0}));
            refused(read(&config, None), &[name, kind, "default"]);
        }
    }
    for (name, value, word) in [
        (
            "rope_parameters",
            json!({"full_attention": {"rope_theta": 1.0}}),
            "full_attention",
        ),
        ("rope_parameters", json!({"rope_theta": "x"}), "rope_theta"),
        (
            "rope_parameters",
            json!({"rope_type": "default", "partial_rotary_factor": 0.5}),
            "partial_rotary_factor",
        ),
        ("partial_rotary_factor", json!(0.5), "partial_rotary_factor"),
        ("rope_scaling", json!([1]), "rope_scaling"),
    ] {
        refused(read(&with(&format!("/{name}"), value), None), &[name, word]);
    }
}

#[test]
fn a_model_of_another_kind_is_told_by_its_kind() {
    let in_parts = |kind: &str| {
        json!({
            "architectures": ["LlavaForConditionalGeneration"],
            "image_token_index": 32000,
            "model_type": kind,
            "text_config": {"model_type": "llama", "vocab_size": 32064},
            "vision_config": {"model_type": "clip_vision_model", "hidden_size": 768},
        })
    };
    refused(
        read(&in_parts("vipllava"), None),
        &["text_config", "\"vipllava\"", "llava_llama", "llava_next"],
    );
    // This one is run, by more files.
    refused(
        read(&in_parts("llava"), None),
        &["preprocessor_config.json", "missing"],
    );
    let mut sparse = in_parts("vipllava");
    sparse
        .as_object_mut()
        .expect("object")
        .remove("text_config");
    refused(read(&sparse, None), &["transformers' own layout"]);

    for (kind, words) in [
        (json!("qwen2_vl"), vec!["\"qwen2_vl\"", "llava_llama"]),
        (json!("llava_qwen"), vec!["\"llava_qwen\""]),
        (json!("llava_mistral"), vec!["\"llava_mistral\""]),
        (json!("mixtral"), vec!["\"mixtral\""]),
        (json!(7), vec!["model_type", "7"]),
    ] {
        refused(read(&with("/model_type", kind), None), &words);
    }
    let llama = json!({"model_type": "llama", "hidden_size": 128, "vocab_size": 9});
    assert_eq!(read(&llama, None).expect("a language model").vision, None);
    let siglip = with("/vision_config/model_type", json!("siglip_vision_model"));
    refused(
        read(&siglip, None),
        &["siglip_vision_model", "clip_vision_model"],
    );
    refused(
        read(&with("/vision_config/num_channels", json!(1)), None),
        &["num_channels"],
    );
    for kind in [
        "llava_llama",
        "llava-llama",
        "llava",
        "llava_llama_3",
        "inf_llava",
        "llama",
    ] {
        assert!(
            read(&with("/model_type", json!(kind)), None).is_ok(),
            "{kind}"
        );
    }

    for (other, word) in [
        (json!({"peft_type": "LORA", "r": 8}), "adapter"),
        (json!({"weight_map": {}}), "index"),
        (
            json!({"image_processor_type": "CLIPImageProcessor"}),
            "picture processor",
        ),
        (json!({"tokenizer_class": "LlamaTokenizer"}), "tokenizer"),
        (json!({"format": "inf-llava"}), "manifest"),
        (json!({"eos_token_id": 2}), "generation settings"),
        (
            json!({"error": "Invalid credentials"}),
            "Invalid credentials",
        ),
        (json!({"detail": "Not found"}), "Not found"),
    ] {
        refused(read(&other, None), &[word]);
    }
}

#[test]
fn quantised_weights_of_other_programs_are_named() {
    let with_block = |name: &str, block: Value| read(&with(&format!("/{name}"), block), None);
    for (name, block, word) in [
        (
            "quantization_config",
            json!({"load_in_4bit": true, "quant_method": "bitsandbytes"}),
            "bitsandbytes, 4 bits",
        ),
        (
            "quantization_config",
            json!({"load_in_8bit": true}),
            "bitsandbytes, 8 bits",
        ),
        (
            "quantization_config",
            json!({"quant_method": "gptq", "bits": 4}),
            "gptq",
        ),
        ("quantization_config", json!({"quant_method": "awq"}), "awq"),
        ("quantization_config", json!({"quant_method": "fp8"}), "fp8"),
        ("quantization", json!({"group_size": 64, "bits": 4}), "MLX"),
        (
            "compression_config",
            json!({"quant_method": "compressed-tensors"}),
            "compressed-tensors",
        ),
    ] {
        refused(with_block(name, block), &[name, word, "inf-llava convert"]);
    }
    assert!(with_block("quantization_config", Value::Null).is_ok());
    for off in [
        json!({}),
        json!({"load_in_4bit": false, "load_in_8bit": false}),
        json!({"load_in_4bit": false, "load_in_8bit": false, "quant_method": "bitsandbytes", "llm_int8_threshold": 6.0}),
    ] {
        assert!(
            with_block("quantization_config", off.clone()).is_ok(),
            "{off}"
        );
    }
}

#[test]
fn an_end_beyond_the_vocabulary_names_the_file_that_says_it() {
    let generation = read(&tiny(), Some("{\"eos_token_id\": 999999}"));
    let error = generation.expect_err("no such token").to_string();
    assert!(error.contains("generation_config.json"), "{error}");
    let own = read(&with("/eos_token_id", json!(999999)), None);
    let error = own.expect_err("no such token").to_string();
    assert!(!error.contains("generation_config.json"), "{error}");
}

#[test]
fn what_is_no_json_is_named_and_a_byte_order_mark_is_none_of_it() {
    let json = tiny().to_string();
    let marked = |json: &str| format!("\u{feff}{json}").into_bytes();
    let plain = read(&tiny(), Some("{\"eos_token_id\": 7}"));
    let found = Config::from_json(&marked(&json), Some(&marked("{\"eos_token_id\": 7}")));
    assert_eq!(found, plain);

    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [&b"\xFF\xFE"[..], &utf16].concat();
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1234\n";
    let xml = b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    for (bytes, words) in [
        (&b""[..], vec!["empty"]),
        (lfs, vec!["Git LFS", "1234 bytes", "git lfs pull"]),
        (b"<!DOCTYPE html><html>", vec!["web page", "download"]),
        (b"\n <!-- a --> <HTML lang=en>", vec!["web page"]),
        (b"\xEF\xBB\xBF<html>", vec!["web page"]),
        (xml, vec!["XML", "Access Denied"]),
        (b"\x1F\x8B\x08\0abc", vec!["gzip", "gunzip"]),
        (&utf16, vec!["UTF-16", "UTF-8"]),
        (&with_mark, vec!["UTF-16", "UTF-8"]),
        (b"GGUF\x03\0\0\0", vec!["GGUF"]),
        (&[0; 4096], vec!["zeros", "download"]),
        (b"Entry not found", vec!["Entry not found"]),
        (&json.as_bytes()[..40], vec!["breaks off"]),
        (b"[]", vec!["object"]),
    ] {
        refused(Config::from_json(bytes, None), &words);
        if bytes != b"[]" {
            let error = Config::from_json(json.as_bytes(), Some(bytes));
            let named: Vec<&str> = words
                .into_iter()
                .chain(["generation_config.json"])
                .collect();
            refused(error, &named);
        }
    }
    for ids in [
        json!("2"),
        json!(-1),
        json!([1, "2"]),
        json!({"a": 1}),
        json!(1.5),
    ] {
        refused(
            read(&with("/eos_token_id", ids), None),
            &["eos_token_id", "list"],
        );
    }
}

#[test]
fn pictures_that_are_prepared_in_another_way_are_refused_by_entry() {
    let config = tiny().to_string();
    let check_bytes = |preprocessor: &[u8]| {
        Config::from_files(&ConfigFiles {
            config: config.as_bytes(),
            preprocessor: Some(preprocessor),
            ..ConfigFiles::default()
        })
    };
    let check = |json: &Value| check_bytes(json.to_string().as_bytes());
    let known =
        std::fs::read(crate::fixture("tiny").join("preprocessor_config.json")).expect("a file");
    check_bytes(&known).expect("the release's");
    for same in [
        json!({}),
        json!({"image_processor_type": "CLIPImageProcessorFast", "crop_size": 336, "size": {"height": 9, "width": 9}}),
        json!({"image_mean": [0.48145, 0.45783, 0.40821], "image_std": null}),
        json!({"do_normalize": null, "resample": 3, "rescale_factor": 0.00392}),
    ] {
        check(&same).unwrap_or_else(|error| panic!("{same}: {error}"));
    }
    for (other, word) in [
        (
            json!({"image_mean": [0.5, 0.5, 0.5]}),
            "image_mean is [0.5, 0.5, 0.5]",
        ),
        (json!({"image_std": [0.26862954]}), "image_std"),
        (json!({"image_std": []}), "image_std"),
        (json!({"do_normalize": false}), "do_normalize is false"),
        (json!({"do_rescale": false}), "do_rescale"),
        (json!({"rescale_factor": 1}), "rescale_factor is 1"),
        (json!({"resample": 2}), "bicubic"),
        (
            json!({"image_processor_type": "SiglipImageProcessor"}),
            "CLIPImageProcessor",
        ),
        (
            json!({"feature_extractor_type": "ViTFeatureExtractor"}),
            "feature_extractor_type",
        ),
        (json!({"image_mean": "CLIP"}), "\"image_mean\""),
    ] {
        let error = check(&other).expect_err(word).to_string();
        assert!(
            error.contains("preprocessor_config.json") && error.contains(word),
            "{error}"
        );
    }
    assert!(check_bytes(b"<!doctype html>").is_err());
    assert!(check_bytes(b"version https://git-lfs.github.com/spec/v1\n").is_err());
}
