//! What LLaVA in transformers' layout is refused for: each message names the key, its value and what is supported.

use serde_json::{Value, json};

use super::{Files, llava_1_5, llava_next, onevision};

fn refuse(files: &Files, cases: &[(&str, Value, &[&str])]) {
    assert!(files.read().is_ok(), "all of it hangs on this");
    for (pointer, value, words) in cases {
        let key = pointer.rsplit('/').next().expect("a key");
        let words: Vec<&str> = words.iter().copied().chain([key]).collect();
        files.with(pointer, value.clone()).refused(&words);
    }
}

#[test]
fn a_wrong_model_is_named() {
    refuse(
        &llava_1_5(),
        &[
            (
                "config/text_config/model_type",
                json!("gemma"),
                &["\"gemma\"", "llama, mistral, qwen2"],
            ),
            (
                "config/text_config/model_type",
                json!("qwen3"),
                &["\"qwen3\"", "llama, mistral, qwen2"],
            ),
            (
                "config/vision_config/model_type",
                json!("pixtral"),
                &["\"pixtral\"", "siglip_vision_model"],
            ),
            (
                "config/vision_config/hidden_act",
                json!("silu"),
                &["\"silu\"", "quick_gelu, gelu, gelu_pytorch_tanh"],
            ),
            (
                "config/vision_config/tie_last_hidden_states",
                json!(true),
                &["true", "false"],
            ),
            ("config/vision_config", json!("openai/clip"), &["object"]),
            (
                "config/text_config/hidden_size",
                Value::Null,
                &["text_config.hidden_size", "null"],
            ),
            (
                "config/projector_hidden_act",
                json!("relu"),
                &["\"relu\"", "gelu"],
            ),
            (
                "config/multimodal_projector_bias",
                json!("no"),
                &["\"no\"", "true or false"],
            ),
            (
                "config/vision_feature_select_strategy",
                json!("cls"),
                &["\"cls\"", "default, full"],
            ),
            ("config/vision_feature_layer", json!(25), &["25", "24"]),
            (
                "config/vision_feature_layer",
                json!(-26),
                &["-26", "-25", "24"],
            ),
            ("config/vision_feature_layer", json!([]), &["1 to 8"]),
            (
                "config/vision_feature_layer",
                json!([1, 2, 3, 4, 5, 6, 7, 8, 9]),
                &["1 to 8"],
            ),
            ("config/vision_feature_layer", json!([-2, "x"]), &["a list"]),
            (
                "config/vision_feature_layer",
                json!(i64::MIN),
                &["-9223372036854775808"],
            ),
            ("config/image_token_index", json!(32_064), &["32064"]),
            (
                "config/tie_word_embeddings",
                json!("yes"),
                &["\"yes\"", "true or false"],
            ),
        ],
    );
    // There would be no patch.
    llava_1_5()
        .with("config/vision_config/patch_size", json!(400))
        .refused(&["vision_config.patch_size is 400", "336"]);
    // One patch, and it is left out.
    let mut one = Files::of("llava-siglip-qwen2")
        .with("config/vision_feature_select_strategy", json!("default"));
    one.config["vision_config"]["patch_size"] = json!(60);
    one.refused(&["vision_feature_select_strategy", "0 features"]);
    for kind in [
        "llava_next_video",
        "video_llava",
        "paligemma",
        "mllama",
        "qwen2_vl",
    ] {
        let files = llava_1_5().with("config/model_type", json!(kind));
        files.refused(&[kind, "text_config", "llava_onevision", "smolvlm", "qwen2"]);
    }
}

#[test]
fn a_processor_of_another_kind_is_named() {
    refuse(
        &llava_1_5(),
        &[
            (
                "preprocessor/image_processor_type",
                json!("ViTImageProcessor"),
                &["\"ViTImageProcessor\"", "LlavaImageProcessor"],
            ),
            (
                "preprocessor/image_processor_type",
                json!("Siglip2ImageProcessor"),
                &["\"Siglip2ImageProcessor\""],
            ),
            (
                "preprocessor/size",
                json!(224),
                &["224", "336 x 336", "vision_config.image_size"],
            ),
            (
                "preprocessor/size",
                json!({"height": 336, "width": 224}),
                &["336 x 224", "336 x 336"],
            ),
            (
                "preprocessor/size",
                json!({"longest_edge": 336}),
                &["shortest_edge", "height"],
            ),
            ("preprocessor/size", json!(5000), &["5000", "4096"]),
            ("preprocessor/size", json!("336"), &["object"]),
            (
                "preprocessor/crop_size",
                json!(224),
                &["224 x 224", "336 x 336"],
            ),
            (
                "preprocessor/crop_size",
                json!({"height": 336}),
                &["height and width"],
            ),
            ("preprocessor/do_resize", json!(false), &["false", "true"]),
            (
                "preprocessor/do_center_crop",
                json!(false),
                &["false", "squares"],
            ),
            (
                "preprocessor/do_normalize",
                json!(false),
                &["false", "true"],
            ),
            ("preprocessor/do_rescale", json!(false), &["false", "true"]),
            ("preprocessor/rescale_factor", json!(0.5), &["0.5", "1/255"]),
            ("preprocessor/resample", json!(4), &["4", "bilinear"]),
            ("preprocessor/image_mean", json!([0.5]), &["3 numbers"]),
            (
                "preprocessor/image_std",
                json!([0.5, 0.5, 0.0]),
                &["3 positive numbers"],
            ),
            (
                "preprocessor/image_std",
                json!([0.5, 0.5, -1]),
                &["3 positive numbers"],
            ),
        ],
    );
    // What is not stated has another model's size.
    for size in ["size", "crop_size"] {
        let files = llava_1_5().without(&format!("preprocessor/{size}"));
        files.refused(&[size, "not stated", "336 x 336"]);
    }
    let mut none = llava_1_5();
    none.preprocessor = None;
    none.refused(&[
        "preprocessor_config.json",
        "missing",
        "processor_config.json",
    ]);
}

#[test]
fn tiles_that_cannot_be_put_together_are_named() {
    let square = json!([[336, 672]]);
    let cases: [(&str, Value, &[&str]); 12] = [
        ("config/image_grid_pinpoints", json!([]), &["0 pairs", "64"]),
        (
            "config/image_grid_pinpoints",
            json!(vec![[336, 672]; 65]),
            &["65 pairs", "64"],
        ),
        (
            "config/image_grid_pinpoints",
            json!([[336, 500]]),
            &["[336, 500]", "336"],
        ),
        (
            "config/image_grid_pinpoints",
            json!([[336, 0]]),
            &["[336, 0]", "16"],
        ),
        (
            "config/image_grid_pinpoints",
            json!([[336, 336 * 17]]),
            &["[336, 5712]", "16"],
        ),
        (
            "config/image_grid_pinpoints",
            json!([[336, -336]]),
            &["whole numbers"],
        ),
        ("config/image_grid_pinpoints", json!([[336]]), &["pairs"]),
        (
            "config/image_grid_pinpoints",
            json!("(1x1),...,(6x6)"),
            &["a list of pairs"],
        ),
        (
            "preprocessor/image_grid_pinpoints",
            square,
            &["preprocessor_config.json", "another list"],
        ),
        (
            "preprocessor/image_processor_type",
            json!("CLIPImageProcessor"),
            &["LlavaNextImageProcessor"],
        ),
        (
            "preprocessor/crop_size",
            json!(224),
            &["224 x 224", "336 x 336"],
        ),
        ("preprocessor/size", json!(224), &["224", "336 x 336"]),
    ];
    refuse(&llava_next(), &cases);
    // They change nothing of a tile.
    for name in ["do_resize", "do_center_crop", "do_pad"] {
        let files = llava_next().with(&format!("preprocessor/{name}"), json!(false));
        assert!(files.read().is_ok(), "{name}");
    }
    refuse(
        &llava_next(),
        &[(
            "config/vision_feature_select_strategy",
            json!("full"),
            &["\"full\"", "577", "576"],
        )],
    );
    refuse(
        &onevision(),
        &[
            (
                "config/vision_feature_select_strategy",
                json!("default"),
                &["\"default\"", "728", "729"],
            ),
            (
                "config/vision_aspect_ratio",
                json!("anyres"),
                &["\"anyres\"", "anyres_max_N"],
            ),
            (
                "config/vision_aspect_ratio",
                json!("anyres_max_0"),
                &["anyres_max_0", "1 to 1024"],
            ),
            (
                "config/vision_aspect_ratio",
                json!("anyres_max_99999999999999999999"),
                &["anyres_max_N"],
            ),
            ("config/vision_aspect_ratio", json!(9), &["9", "text"]),
            (
                "processor/vision_aspect_ratio",
                json!("anyres_max_4"),
                &["anyres_max_4", "anyres_max_9"],
            ),
            (
                "processor/num_image_tokens",
                json!(576),
                &["576", "729", "27 x 27"],
            ),
            ("preprocessor/do_resize", json!(false), &["false", "true"]),
            (
                "preprocessor/size",
                json!({"height": 224, "width": 224}),
                &["224 x 224", "384 x 384"],
            ),
            ("config/video_token_index", json!(152_000), &["152000"]),
        ],
    );
    // The defaults are for towers of the published size.
    let mut other = llava_next();
    other.config["vision_config"] = json!({});
    for size in ["size", "crop_size"] {
        other = other.with(&format!("preprocessor/{size}"), json!(224));
    }
    other.refused(&["image_grid_pinpoints", "missing"]);
    // Of a sliver no pinpoint keeps a pixel.
    let config = llava_next().read().expect("LLaVA-NeXT");
    let treatment =
        inf_llava_core::config::Treatment::only(inf_llava_core::spec::plan::Coverage::Live);
    let error = super::vision(&config)
        .layout([1, 3000], treatment)
        .expect_err("a sliver");
    assert_eq!(error.code(), "image-shape");
    assert!(error.to_string().contains("3000 x 1"), "{error}");
    // Videos.
    for (files, frames, words) in [
        (llava_next(), 3, &["pictures only"][..]),
        (onevision(), 0, &["0 frames", "1 to 1024"]),
        (onevision(), 1025, &["1025 frames", "1 to 1024"]),
    ] {
        let config = files.read().expect("a model");
        let error = super::vision(&config)
            .video_layout(&vec![0.0; frames], 1.0)
            .expect_err("no video");
        for word in words {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
