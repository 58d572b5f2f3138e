//! Language models alone, and the decoders of the whole family: published sizes, defaults, windows, RoPE, and what is
//! refused.

use inf_llava_core::config::{Config, OwnPrompt};
use inf_llava_core::spec::{DecoderSpec, RopeScaling, RopeSpec, Window, parameters};
use serde_json::{Value, json};

use super::family::Files;

fn files(config: Value) -> Files {
    Files {
        config,
        ..Files::default()
    }
}

fn decoder(config: &Value) -> DecoderSpec {
    let config = files(config.clone()).read();
    config.unwrap_or_else(|error| panic!("{error}")).decoder
}

/// `config` with `entries` put in.
fn and(config: &Value, entries: Value) -> Value {
    let mut config = config.clone();
    for (name, value) in entries.as_object().expect("entries") {
        config[name] = value.clone();
    }
    config
}

fn mistral() -> Value {
    json!({"model_type": "mistral", "hidden_size": 4096})
}

fn qwen2() -> Value {
    json!({"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
           "num_attention_heads": 14, "num_key_value_heads": 2, "rope_theta": 1e6, "tie_word_embeddings": true,
           "max_window_layers": 24, "sliding_window": 32768, "use_sliding_window": false,
           "bos_token_id": 151643, "eos_token_id": 151645})
}

/// meta-llama/Llama-3.2-1B-Instruct.
fn llama3() -> Value {
    json!({"model_type": "llama", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
           "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 128256,
           "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "rope_theta": 5e5,
           "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                            "original_max_position_embeddings": 8192, "rope_type": "llama3"},
           "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009]})
}

#[test]
fn published_models_have_their_number_of_parameters() {
    let smollm2 = json!({"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5, "rope_theta": 100000, "tie_word_embeddings": true, "rope_interleaved": false,
        "is_llama_config": true, "attention_bias": false, "mlp_bias": false, "bos_token_id": 1, "eos_token_id": 2});
    for (config, expected) in [
        (smollm2, 134_515_008),
        (mistral(), 7_241_732_096),
        (qwen2(), 494_032_768),
        (llama3(), 1_235_814_400),
    ] {
        let files = files(config);
        let config: Config = files.read().expect("a language model");
        assert_eq!(config.vision, None);
        assert_eq!(config.prompt, OwnPrompt::Checkpoint);
        assert_eq!(config.image_token_id, None);
        assert_eq!(config.kind, files.config["model_type"]);
        assert_eq!(parameters(&config.weights()), expected, "{}", config.kind);
        let error = config.require_vision("a picture").expect_err("no tower");
        assert!(error.to_string().contains("language model"), "{error}");
    }
    let config = files(llama3()).read().expect("LLaMA 3.2");
    assert_eq!((config.bos_token_id, config.states_bos), (128_000, true));
    assert_eq!(config.eos_token_ids, [128_001, 128_008, 128_009]);
}

#[test]
fn an_absent_key_has_the_value_of_its_class() {
    let of = |kind: &str| {
        let decoder = decoder(&json!({"model_type": kind, "hidden_size": 4096}));
        (
            [
                decoder.intermediate_size,
                decoder.num_hidden_layers,
                decoder.num_attention_heads,
                decoder.num_key_value_heads,
                decoder.vocab_size,
                decoder.max_position_embeddings,
            ],
            decoder.window.map(|window| window.tokens),
            decoder.qkv_bias,
        )
    };
    assert_eq!(
        of("llama"),
        ([11_008, 32, 32, 32, 32_000, 2048], None, false)
    );
    assert_eq!(
        of("mistral"),
        ([14_336, 32, 32, 8, 32_000, 131_072], Some(4096), false)
    );
    assert_eq!(
        of("qwen2"),
        ([22_016, 32, 32, 32, 151_936, 32_768], None, true)
    );
    for kind in ["llama", "mistral", "qwen2"] {
        let decoder = decoder(&json!({"model_type": kind, "vocab_size": 64}));
        assert_eq!(
            (decoder.hidden_size, decoder.head_dim),
            (4096, 128),
            "{kind}"
        );
        assert_eq!(
            (decoder.rms_norm_eps, decoder.tied),
            (1e-6, false),
            "{kind}"
        );
        assert_eq!(decoder.rope, RopeSpec::of_theta(10_000.0), "{kind}");
    }
    // Null is as many as heads in every class.
    let null = and(
        &mistral(),
        json!({"num_key_value_heads": null, "head_dim": null}),
    );
    assert_eq!(decoder(&null).num_key_value_heads, 32);
}

#[test]
fn heads_may_be_of_any_even_width() {
    let wide = and(&qwen2(), json!({"head_dim": 128}));
    assert_eq!(decoder(&wide).head_dim, 128);
    // The heads need not divide the channels then.
    let odd = and(
        &mistral(),
        json!({"hidden_size": 100, "num_attention_heads": 24, "head_dim": 16}),
    );
    assert_eq!(decoder(&odd).head_dim, 16);
    let q_proj = decoder(&odd).weights();
    let q_proj = q_proj
        .iter()
        .find(|weight| weight.name.ends_with("0.self_attn.q_proj.weight"));
    assert_eq!(q_proj.expect("queries").shape, [384, 100]);
    files(and(&odd, json!({"head_dim": null}))).refused(&["hidden_size", "100", "24"]);
}

#[test]
fn windows_are_those_of_the_class() {
    let window = |tokens, first_layer| {
        Some(Window {
            tokens,
            first_layer,
        })
    };
    for (entries, expected) in [
        (json!({}), window(4096, 0)),
        (json!({"sliding_window": 24}), window(24, 0)),
        (json!({"sliding_window": null}), None),
    ] {
        assert_eq!(
            decoder(&and(&mistral(), entries.clone())).window,
            expected,
            "{entries}"
        );
    }
    let types = |sliding: std::ops::Range<usize>| {
        let kind = |layer| match sliding.contains(&layer) {
            true => "sliding_attention",
            false => "full_attention",
        };
        (0..24).map(kind).collect::<Vec<_>>()
    };
    for (entries, expected) in [
        (json!({}), None),
        (json!({"use_sliding_window": true}), None),
        (
            json!({"use_sliding_window": true, "max_window_layers": 20}),
            window(32_768, 20),
        ),
        (
            json!({"use_sliding_window": true, "max_window_layers": 0, "sliding_window": 7}),
            window(7, 0),
        ),
        (
            json!({"use_sliding_window": true, "sliding_window": null, "max_window_layers": 0}),
            None,
        ),
        (
            json!({"use_sliding_window": true, "layer_types": types(5..24), "max_window_layers": 0}),
            window(32_768, 5),
        ),
        (
            json!({"use_sliding_window": true, "layer_types": types(0..0), "max_window_layers": 0}),
            None,
        ),
        (json!({"layer_types": types(0..0)}), None),
    ] {
        assert_eq!(
            decoder(&and(&qwen2(), entries.clone())).window,
            expected,
            "{entries}"
        );
    }
    for (entries, words) in [
        (
            json!({"layer_types": types(3..24)}),
            &["no window", "use_sliding_window"][..],
        ),
        (
            json!({"layer_types": types(3..20), "use_sliding_window": true}),
            &["full_attention after sliding_attention"],
        ),
        (json!({"layer_types": ["full_attention"]}), &["24 texts"]),
        (json!({"layer_types": "full_attention"}), &["24 texts"]),
        (
            json!({"layer_types": vec!["linear_attention"; 24]}),
            &["another entry"],
        ),
        (
            json!({"use_sliding_window": true, "sliding_window": 0}),
            &["sliding_window is 0"],
        ),
        (
            json!({"use_sliding_window": true, "max_window_layers": 1u64 << 40}),
            &["max_window_layers", "1099511627776"],
        ),
    ] {
        files(and(&qwen2(), entries)).refused(words);
    }
    files(and(&mistral(), json!({"sliding_window": (1 << 20) + 1})))
        .refused(&["sliding_window is 1048577"]);
    // LLaMA has none, whatever the file says.
    assert_eq!(
        decoder(&and(&llama3(), json!({"sliding_window": 7}))).window,
        None
    );
}

#[test]
fn rope_is_read_in_either_spelling() {
    let llama = json!({"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4});
    let rope = |entries: Value| decoder(&and(&llama, entries)).rope;
    let scaled = |theta, scaling| RopeSpec { theta, scaling };
    let linear = RopeScaling::Linear { factor: 2.5 };
    for entries in [
        json!({"rope_scaling": {"type": "linear", "factor": 2.5}, "rope_theta": 7.0}),
        json!({"rope_scaling": {"rope_type": "linear", "factor": 2.5}, "rope_theta": 7.0}),
        json!({"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 7.0}, "rope_theta": 9.0}),
    ] {
        assert_eq!(rope(entries.clone()), scaled(7.0, linear), "{entries}");
    }
    assert_eq!(
        decoder(&llama3()).rope,
        scaled(
            5e5,
            RopeScaling::Llama3 {
                factor: 32.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original: 8192.0
            }
        )
    );
    assert_eq!(
        rope(json!({"rope_scaling": null})),
        RopeSpec::of_theta(10_000.0)
    );
    let scaling = |entries: Value| {
        let mut scaling = llama3()["rope_scaling"].clone();
        for (name, value) in entries.as_object().expect("entries") {
            scaling[name] = value.clone();
        }
        json!({"rope_scaling": scaling})
    };
    for (entries, words) in [
        (
            scaling(json!({"factor": null})),
            &["rope_scaling.factor", "number"][..],
        ),
        (
            scaling(json!({"factor": 0.5})),
            &["rope_scaling.factor is 0.5", "at least 1"],
        ),
        (
            scaling(json!({"factor": -1.0})),
            &["rope_scaling.factor is -1", "positive"],
        ),
        (
            scaling(json!({"low_freq_factor": 4.0})),
            &["low_freq_factor is 4", "high_freq_factor = 4"],
        ),
        (
            scaling(json!({"original_max_position_embeddings": null})),
            &["original_max_position_embeddings"],
        ),
        (
            scaling(json!({"rope_type": "yarn"})),
            &["\"yarn\"", "default, linear, llama3"],
        ),
        (
            scaling(json!({"rope_type": "dynamic"})),
            &["\"dynamic\"", "linear"],
        ),
        (
            scaling(json!({"partial_rotary_factor": 0.5})),
            &["partial_rotary_factor"],
        ),
        (
            json!({"partial_rotary_factor": 0.5}),
            &["partial_rotary_factor"],
        ),
        (json!({"rope_theta": null}), &["rope_theta is null"]),
        (json!({"rope_theta": 0}), &["rope_theta is 0", "positive"]),
        (
            json!({"rope_scaling": {"factor": 8.0}}),
            &["rope_scaling", "no rope_type"],
        ),
        (
            json!({"rope_parameters": {"sliding_attention": {}}}),
            &["sliding_attention"],
        ),
    ] {
        files(and(&llama, entries)).refused(words);
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (entries, words) in [
        (
            json!({"attention_bias": true}),
            &["attention_bias is true", "biases"][..],
        ),
        (json!({"mlp_bias": true}), &["mlp_bias is true", "biases"]),
        (json!({"hidden_act": "gelu"}), &["\"gelu\"", "silu"]),
        (json!({"hidden_size": null}), &["hidden_size is null"]),
        (
            json!({"hidden_size": 1.5}),
            &["hidden_size is 1.5", "whole number"],
        ),
        (
            json!({"hidden_size": (1 << 20) + 1}),
            &["hidden_size is 1048577"],
        ),
        (
            json!({"num_hidden_layers": 1025}),
            &["num_hidden_layers is 1025", "1024"],
        ),
        (
            json!({"num_key_value_heads": 3}),
            &["num_attention_heads", "32", "3"],
        ),
        (json!({"head_dim": 7}), &["head_dim 7 is odd"]),
        (json!({"rms_norm_eps": -1}), &["rms_norm_eps is -1"]),
        (
            json!({"bos_token_id": 32000}),
            &["bos_token_id is 32000", "32000 entries"],
        ),
        (
            json!({"eos_token_id": [1, 32000]}),
            &["eos_token_id is 32000"],
        ),
        (
            json!({"eos_token_id": "</s>"}),
            &["eos_token_id", "\"</s>\"", "token"],
        ),
        (
            json!({"tie_word_embeddings": 1}),
            &["tie_word_embeddings is 1", "true or false"],
        ),
        (json!({"model_type": ["llama"]}), &["model_type", "llama"]),
    ] {
        files(and(&mistral(), entries)).refused(words);
    }
    // Qwen2 does not read the key; it always has these.
    assert!(decoder(&and(&qwen2(), json!({"attention_bias": true}))).qkv_bias);
    for kind in ["mixtral", "qwen2_moe", "qwen3", "gemma2", "phi3"] {
        let words = [kind, "not run", "mistral", "smolvlm", "llava_llama"];
        files(and(&mistral(), json!({"model_type": kind}))).refused(&words);
    }
    let untied = files(and(&qwen2(), json!({"tie_word_embeddings": false})));
    assert!(!untied.read().expect("a head").decoder.tied);
    let tied = untied.with_tensors(&["model.embed_tokens.weight"]);
    assert!(tied.read().expect("no head").decoder.tied);
    let mut generation = files(qwen2());
    generation.generation = Some(json!({"eos_token_id": [151_645, 151_643]}));
    let stops = generation.read().expect("two ends").eos_token_ids;
    assert_eq!(stops, [151_645, 151_643]);
}
