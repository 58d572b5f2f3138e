//! What LLaVA in the original layout is refused for: each message names the key, its value and what is supported.

use serde_json::{Value, json};

use super::{llava_1_5, onevision};

#[test]
fn what_is_wrong_is_named() {
    let files = onevision();
    assert!(files.read().is_ok(), "all of it hangs on this");
    let cases: [(&str, Value, &[&str]); 27] = [
        (
            "mm_vision_tower",
            json!("openai/clip-vit-base-patch32"),
            &["patch32", "siglip-so400m-patch14-384"],
        ),
        (
            "mm_vision_tower",
            Value::Null,
            &["null", "clip-vit-large-patch14-336"],
        ),
        ("mm_hidden_size", json!(1024), &["1024", "1152"]),
        (
            "mm_projector_type",
            json!("mlp3x_gelu"),
            &["mlp3x_gelu", "mlp2x_gelu, linear"],
        ),
        ("mm_use_im_start_end", json!(true), &["true", "false"]),
        (
            "mm_resampler_type",
            json!("spatial_pool"),
            &["spatial_pool", "null"],
        ),
        (
            "mm_spatial_pool_mode",
            json!("average"),
            &["average", "bilinear"],
        ),
        ("mm_newline_position", json!("grid"), &["grid", "one_token"]),
        (
            "mm_patch_merge_type",
            json!("spatial"),
            &["\"spatial\"", "flat, spatial_unpad"],
        ),
        (
            "image_aspect_ratio",
            json!("highres"),
            &["highres", "anyres_max_N"],
        ),
        (
            "image_aspect_ratio",
            json!("anyres_max_"),
            &["anyres_max_", "1 to 1024"],
        ),
        ("image_grid_pinpoints", Value::Null, &["missing"]),
        ("image_grid_pinpoints", json!("(1x1),...,(9x9)"), &["(6x6)"]),
        ("image_grid_pinpoints", json!("(0x1),...,(6x6)"), &["(6x6)"]),
        ("image_grid_pinpoints", json!("(1x1"), &["(6x6)"]),
        ("image_grid_pinpoints", json!("[[384, 384]]"), &["(6x6)"]),
        (
            "image_grid_pinpoints",
            json!("(99999999999999999999x1)"),
            &["(6x6)"],
        ),
        (
            "image_grid_pinpoints",
            json!([[384, 385]]),
            &["[384, 385]", "384"],
        ),
        ("image_grid_pinpoints", json!({"a": 1}), &["pairs"]),
        (
            "architectures",
            json!(["LlavaMptForCausalLM"]),
            &["Mpt", "LlavaQwen"],
        ),
        (
            "architectures",
            json!(["LlavaMixtralForCausalLM"]),
            &["Mixtral", "LlavaMistral"],
        ),
        ("architectures", json!("LlavaQwenForCausalLM"), &["list"]),
        ("hidden_size", json!(897), &["897", "14"]),
        ("hidden_act", json!("gelu"), &["\"gelu\"", "silu"]),
        ("bos_token_id", json!(151_936), &["151936"]),
        ("add_faster_video", json!(true), &["true", "false"]),
        (
            "rope_scaling",
            json!({"type": "dynamic", "factor": 2.0}),
            &["dynamic", "linear"],
        ),
    ];
    for (key, value, words) in cases {
        let words: Vec<&str> = words.iter().copied().chain([key, "config.json"]).collect();
        files.with(&format!("config/{key}"), value).refused(&words);
    }
    let mut next = llava_1_5()
        .with("config/image_aspect_ratio", json!("anyres"))
        .with("config/image_grid_pinpoints", json!([[336, 672]]));
    assert!(next.read().is_ok());
    next.with("config/mm_vision_select_feature", json!("cls_patch"))
        .refused(&["mm_vision_select_feature", "577", "576"]);
    for (key, value, words) in [
        (
            "mm_vision_select_feature",
            json!("cls"),
            &["\"cls\"", "cls_patch"][..],
        ),
        (
            "mm_vision_select_layer",
            json!([-2, -5]),
            &["[-2,-5]", "one number"],
        ),
        ("mm_vision_select_layer", json!(25), &["25", "24"]),
    ] {
        let words: Vec<&str> = words.iter().copied().chain([key]).collect();
        next.with(&format!("config/{key}"), value).refused(&words);
    }
    next.preprocessor = Some(json!({"size": 336, "crop_size": 336}));
    assert!(next.read().is_ok());
    for (key, value) in [
        ("size", json!(224)),
        ("crop_size", json!({"height": 336, "width": 335})),
        ("image_processor_type", json!("SiglipImageProcessor")),
        ("do_normalize", json!(false)),
        ("image_std", json!([])),
    ] {
        let files = next.with(&format!("preprocessor/{key}"), value);
        files.refused(&["preprocessor_config.json", key]);
    }
    // Of tiles, they change nothing.
    for key in ["do_resize", "do_center_crop"] {
        let tiles = next.with(&format!("preprocessor/{key}"), json!(false));
        assert!(tiles.read().is_ok(), "{key}");
        let square = tiles.with("config/image_aspect_ratio", json!("square"));
        square.refused(&[key, "false", "true"]);
    }
}
