//! What SmolVLM is refused for: each message names the key, its value and what is supported.

use serde_json::{Value, json};

use super::smolvlm_256m;

#[test]
fn what_is_wrong_is_named() {
    let files = smolvlm_256m();
    assert!(files.read().is_ok(), "all of it hangs on this");
    let cases: [(&str, Value, &[&str]); 29] = [
        ("config/scale_factor", json!(3), &["3", "32", "512"]),
        ("config/scale_factor", json!(0), &["0", "1 to 1024"]),
        ("config/scale_factor", Value::Null, &["null"]),
        ("config/image_token_id", json!(49_280), &["49280"]),
        ("config/image_token_id", json!(-1), &["-1", "token"]),
        ("config/text_config", json!([1]), &["text_config", "object"]),
        (
            "config/text_config/model_type",
            json!("mistral"),
            &["\"mistral\"", "llama"],
        ),
        (
            "config/text_config/model_type",
            json!("gemma"),
            &["\"gemma\"", "llama"],
        ),
        (
            "config/text_config/attention_bias",
            json!(true),
            &["true", "biases"],
        ),
        (
            "config/text_config/mlp_bias",
            json!(true),
            &["true", "biases"],
        ),
        (
            "config/text_config/hidden_act",
            json!("gelu"),
            &["\"gelu\"", "silu"],
        ),
        (
            "config/text_config/hidden_size",
            json!("576"),
            &["text_config.hidden_size", "\"576\"", "whole number"],
        ),
        ("config/text_config/head_dim", json!(63), &["63", "odd"]),
        (
            "config/text_config/head_dim",
            json!(1 << 20),
            &["9", "1048576"],
        ),
        (
            "config/text_config/rope_scaling",
            json!({"type": "yarn", "factor": 2.0}),
            &["text_config.rope_scaling", "yarn", "linear", "llama3"],
        ),
        ("config/vision_config/num_channels", json!(1), &["1", "3"]),
        (
            "config/vision_config/hidden_act",
            json!("relu"),
            &["\"relu\"", "gelu_pytorch_tanh"],
        ),
        (
            "config/vision_config/image_size",
            json!(2049),
            &["2049", "2048"],
        ),
        (
            "config/vision_config/patch_size",
            json!(513),
            &["513", "512"],
        ),
        (
            "config/vision_config/num_attention_heads",
            json!(11),
            &["768", "11"],
        ),
        (
            "config/vision_config/hidden_size",
            json!(1 << 20),
            &["num_attention_heads", "1048576"],
        ),
        (
            "preprocessor/max_image_size/longest_edge",
            json!(384),
            &["preprocessor_config.json", "384", "512"],
        ),
        (
            "preprocessor/size/longest_edge",
            json!(4097),
            &["preprocessor_config.json", "4097", "4096"],
        ),
        (
            "preprocessor/size",
            json!({"height": 9, "width": 9}),
            &["size.longest_edge", "missing"],
        ),
        (
            "preprocessor/do_resize",
            json!(false),
            &["do_resize is false", "true"],
        ),
        (
            "preprocessor/resample",
            json!(0),
            &["resample is 0", "Lanczos", "bicubic"],
        ),
        (
            "preprocessor/image_std",
            json!([0.5, 0.5]),
            &["image_std", "3 positive numbers"],
        ),
        (
            "preprocessor/image_processor_type",
            json!("CLIPImageProcessor"),
            &["\"CLIPImageProcessor\"", "SmolVLMImageProcessor"],
        ),
        (
            "processor/image_seq_len",
            json!(169),
            &["processor_config.json", "169", "64", "32 x 32", "4 x 4"],
        ),
    ];
    for (pointer, value, words) in cases {
        let key = pointer.rsplit('/').next().expect("a key");
        let words: Vec<&str> = words.iter().copied().chain([key]).collect();
        files.with(pointer, value).refused(&words);
    }
    for (name, value) in [
        ("do_rescale", json!(false)),
        ("do_normalize", json!(false)),
        ("rescale_factor", json!(1)),
        ("image_mean", json!([0.5, 0.5, 1.5])),
        ("image_mean", json!("CLIP")),
        ("image_std", json!(0)),
        ("image_std", json!(1e-60)),
        ("do_image_splitting", json!("yes")),
    ] {
        let spoilt = files.with(&format!("preprocessor/{name}"), value);
        spoilt.refused(&["preprocessor_config.json", name]);
    }
    // 4096 / 64 = 64 tiles a side.
    let mut many = files.clone();
    many.config["vision_config"]["image_size"] = json!(64);
    many.preprocessor.as_mut().expect("settings")["max_image_size"]["longest_edge"] = json!(64);
    many.processor = None;
    many.refused(&["size.longest_edge is 2048", "1025", "256"]);
    // Without a file that says how pictures are prepared, nobody knows L.
    let mut none = files.clone();
    none.preprocessor = None;
    none.refused(&[
        "preprocessor_config.json",
        "missing",
        "processor_config.json",
    ]);
    // The default is another model's tile.
    let unstated = files.without("preprocessor/max_image_size");
    unstated.refused(&["max_image_size", "not stated", "364", "512"]);
}
