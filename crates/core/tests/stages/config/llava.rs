//! LLaVA in transformers' layout: fixtures, the published sizes, what an absent key means, and what is refused.

mod processors;
mod refusals;

use inf_llava_core::config::{Config, OwnPrompt};
use inf_llava_core::image::{Filter, Normalise, WHITE};
use inf_llava_core::spec::plan::Coverage;
use inf_llava_core::spec::{
    Activation, AnyresSpec, Connector, Fit, Merge, MlpSpec, Packing, RopeScaling, SingleSpec,
    Tiling, Video, Window, parameters,
};
use serde_json::{Value, json};

use super::family::{Files, layout, pictures, stored};
use super::vision;

/// llava-hf/llava-1.5-7b-hf, of which transformers left out what is the default of a class.
fn llava_1_5() -> Files {
    Files {
        config: json!({
            "architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100, "image_token_index": 32000,
            "model_type": "llava", "pad_token_id": 32001, "projector_hidden_act": "gelu",
            "text_config": {"_name_or_path": "lmsys/vicuna-7b-v1.5", "architectures": ["LlamaForCausalLM"],
                            "max_position_embeddings": 4096, "model_type": "llama", "rms_norm_eps": 1e-5,
                            "torch_dtype": "float16", "vocab_size": 32064},
            "torch_dtype": "float16",
            "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
                              "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24,
                              "patch_size": 14, "projection_dim": 768, "vocab_size": 32000},
            "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vocab_size": 32064
        }),
        generation: Some(json!({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 32001})),
        preprocessor: Some(json!({
            "crop_size": {"height": 336, "width": 336}, "do_center_crop": true, "do_convert_rgb": true,
            "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711],
            "processor_class": "LlavaProcessor", "resample": 3, "rescale_factor": 0.00392156862745098,
            "size": {"shortest_edge": 336}
        })),
        processor: Some(
            json!({"image_token": "<image>", "patch_size": 14, "num_additional_image_tokens": 1,
                               "vision_feature_select_strategy": "default"}),
        ),
        tensors: None,
    }
}

/// LLaVA-NeXT of 336 pixels, with all sizes left to the defaults.
fn llava_next() -> Files {
    Files {
        config: json!({"model_type": "llava_next", "text_config": {"vocab_size": 32064}}),
        preprocessor: Some(
            json!({"crop_size": 336, "size": 336, "image_processor_type": "LlavaNextImageProcessor"}),
        ),
        ..Files::default()
    }
}

/// LLaVA-OneVision-0.5B, with the tower and the tiling left to the defaults.
fn onevision() -> Files {
    let text = json!({"model_type": "qwen2", "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24,
                      "num_attention_heads": 14, "num_key_value_heads": 2, "vocab_size": 152_000, "rope_theta": 1e6,
                      "tie_word_embeddings": true, "eos_token_id": 151_645, "bos_token_id": 151_643});
    Files {
        config: json!({"model_type": "llava_onevision", "text_config": text}),
        preprocessor: Some(json!({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})),
        ..Files::default()
    }
}

fn anyres(config: &Config) -> &AnyresSpec {
    match &vision(config).tiling {
        Tiling::Anyres(spec) => spec,
        other => panic!("{other:?}"),
    }
}

fn mlp(config: &Config) -> &MlpSpec {
    match &vision(config).connector {
        Connector::Mlp(spec) => spec,
        other => panic!("{other:?}"),
    }
}

fn fit(config: &Config) -> Fit {
    match vision(config).tiling {
        Tiling::Single(SingleSpec {
            fit,
            newline: false,
            ..
        }) => fit,
        ref other => panic!("{other:?}"),
    }
}

const FIXTURES: [&str; 7] = [
    "llava-clip-llama",
    "llava-clip-llama3-full",
    "llava-siglip-qwen2",
    "llava-next-clip-llama",
    "llava-next-clip-mistral",
    "llava-next-clip-mistral-window",
    "llava-onevision-siglip-qwen2",
];

#[test]
fn every_fixture_is_read_as_written() {
    for name in FIXTURES {
        let files = Files::of(name);
        let config = files
            .read()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let vision = vision(&config);
        assert_eq!(config.kind, files.config["model_type"], "{name}");
        assert_eq!(config.prompt, OwnPrompt::Checkpoint);
        let image = config.image_token_id.map(Value::from);
        assert_eq!(image.as_ref(), files.config.get("image_token_index"));
        let video = config.video_token_id.map(Value::from);
        assert_eq!(video.as_ref(), files.config.get("video_token_index"));
        assert_eq!(vision.pixels.ground, WHITE);
        assert_eq!(vision.pixels.filter, Filter::Bicubic);
        let side = files.config["vision_config"]["image_size"].clone();
        assert_eq!(Value::from(vision.tower.view_px), side);
        assert_eq!(mlp(&config).inputs, vision.tower.feature_channels());
        assert!(mlp(&config).has_bias && mlp(&config).has_second);
        // What is read is stored, in these shapes.
        let mut stored: Vec<Vec<usize>> =
            stored(name).into_iter().map(|(_, shape)| shape).collect();
        for weight in config.weights() {
            let place = stored.iter().position(|shape| *shape == weight.shape);
            let place = place.unwrap_or_else(|| panic!("{name}: {weight:?} is not stored"));
            stored.swap_remove(place);
        }
    }
    let read = |name: &str| Files::of(name).read().expect(name);

    let config = read("llava-clip-llama3-full");
    let tower = &vision(&config).tower;
    // -2 of 4 layers, then the first, side by side, with the class token.
    assert_eq!((&tower.features[..], tower.layers_run()), (&[3, 1][..], 3));
    assert_eq!(
        (tower.feature_channels(), tower.drops_first_token),
        (96, false)
    );
    assert_eq!(
        fit(&config),
        Fit::Pad {
            colour: [122, 116, 104],
            short_px: 56
        }
    );
    assert_eq!(config.eos_token_ids, [506, 509]);
    assert_eq!((config.bos_token_id, config.states_bos), (505, true));
    assert_eq!(
        config.decoder.rope.scaling,
        RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original: 64.0
        }
    );

    let config = read("llava-clip-llama");
    assert_eq!(fit(&config), Fit::Crop { short_px: 96 });
    assert_eq!(vision(&config).tower.features, [2]);
    assert!(vision(&config).tower.drops_first_token && !mlp(&config).has_newline);
    assert_eq!(config.eos_token_ids, [2]);

    let config = read("llava-siglip-qwen2");
    let tower = &vision(&config).tower;
    assert_eq!(fit(&config), Fit::Squash);
    assert_eq!(vision(&config).pixels.normalise, Normalise::HALVES);
    assert_eq!(
        (&tower.features[..], tower.drops_first_token),
        (&[3][..], false)
    );
    assert_eq!(
        (tower.activation, tower.layer_norm_eps),
        (Activation::GeluTanh, 1e-3)
    );
    assert!(tower.has_patch_bias && !tower.has_class_token && !tower.has_post_norm);
    assert_eq!(tower.tokens_per_side(), 4);
    assert!(config.decoder.tied && config.decoder.qkv_bias);
    assert_eq!(config.decoder.rms_norm_eps, 3e-4);
    assert_eq!(config.eos_token_ids, [509, 507]);
    assert!(!config.states_bos);

    let config = read("llava-next-clip-llama");
    assert_eq!(
        config.decoder.rope.scaling,
        RopeScaling::Linear { factor: 2.5 }
    );
    assert_eq!(config.decoder.rms_norm_eps, 1e-3);
    let spec = anyres(&config);
    assert_eq!(
        spec.pinpoints,
        [[70, 140], [140, 70], [140, 140], [210, 70], [70, 210]]
    );
    assert_eq!((spec.most, spec.rounds, spec.several), (None, true, None));
    assert_eq!((spec.view_px, spec.merge), (70, Merge::SpatialUnpad));
    assert!(mlp(&config).has_newline);

    let config = read("llava-next-clip-mistral");
    assert_eq!((config.decoder.head_dim, config.decoder.window), (32, None));
    assert_eq!(config.decoder.rope.theta, 1e6);
    let config = read("llava-next-clip-mistral-window");
    assert_eq!(
        config.decoder.window,
        Some(Window {
            tokens: 24,
            first_layer: 0
        })
    );
    assert_eq!(config.decoder.num_key_value_heads, 1);

    let config = read("llava-onevision-siglip-qwen2");
    let spec = anyres(&config);
    assert_eq!(
        (spec.pinpoints.len(), spec.most, spec.rounds),
        (36, Some(9), true)
    );
    assert_eq!(
        spec.several,
        Some(Fit::Pad {
            colour: [127; 3],
            short_px: 48
        })
    );
    assert_eq!(vision(&config).video, Some(Video::Pooled));
    assert_eq!(vision(&config).tower.features, [2]);
}

#[test]
fn pictures_take_as_many_tokens_as_in_transformers() {
    let mut compared = 0;
    for name in FIXTURES {
        let config = Files::of(name).read().expect(name);
        for (size_px, treatment, tokens) in pictures(name) {
            let picture = match treatment.as_str() {
                "video" => vision(&config)
                    .video_layout(&[0.0; 3], 3.0)
                    .expect("a video"),
                // OneVision's, of several.
                "square" => layout(&config, size_px, false),
                _ => layout(&config, size_px, true),
            };
            assert_eq!(picture.tokens, tokens, "{name}: {size_px:?}, {treatment}");
            compared += 1;
        }
    }
    assert_eq!(compared, 25);
}

#[test]
fn the_published_sizes_are_read() {
    let config = llava_1_5().read().expect("LLaVA-1.5");
    let (tower, decoder) = (&vision(&config).tower, &config.decoder);
    assert_eq!(parameters(&decoder.weights()), 6_738_939_904);
    assert_eq!((tower.tokens_per_view(), tower.layers_run()), (576, 23));
    assert_eq!(tower.layer_norm_eps, 1e-5);
    assert_eq!(config.image_token_id, Some(32_000));
    assert_eq!(fit(&config), Fit::Crop { short_px: 336 });
    for is_only in [true, false] {
        assert_eq!(layout(&config, [480, 640], is_only).tokens, 576);
    }
    // A tower that is not described at all is the large one; one that is described sparsely is its class's.
    let named = llava_1_5()
        .without("config/vision_config")
        .read()
        .expect("no vision_config");
    assert_eq!(&vision(&named).tower, tower);
    let mut base = llava_1_5().with("config/vision_config", json!({}));
    for size in ["size", "crop_size"] {
        base = base.with(&format!("preprocessor/{size}"), json!(224));
    }
    let base = base.read().expect("a sparse vision_config");
    let tower = &vision(&base).tower;
    assert_eq!(
        (tower.hidden_size, tower.num_hidden_layers, tower.patch_px),
        (768, 12, 32)
    );
    assert_eq!(layout(&base, [480, 640], true).tokens, 49);

    let config = onevision().read().expect("OneVision");
    assert_eq!(parameters(&config.decoder.weights()), 494_090_112);
    let tower = &vision(&config).tower;
    assert_eq!((tower.hidden_size, tower.intermediate_size), (1152, 4304));
    assert_eq!((tower.num_hidden_layers, tower.layers_run()), (26, 26));
    assert_eq!((tower.view_px, tower.tokens_per_side()), (384, 27));
    assert_eq!(
        (config.image_token_id, config.video_token_id),
        (Some(151_646), Some(151_647))
    );
    assert!(config.decoder.tied);
    // A sparse SigLIP is its class's.
    let sparse = onevision()
        .with(
            "config/vision_config",
            json!({"model_type": "siglip_vision_model", "image_size": 384}),
        )
        .read()
        .expect("a sparse vision_config");
    let tower = &vision(&sparse).tower;
    assert_eq!(
        (tower.hidden_size, tower.num_hidden_layers, tower.patch_px),
        (768, 12, 16)
    );
    assert_eq!(
        (tower.features[0], tower.activation),
        (12, Activation::GeluTanh)
    );
}

/// Pictures (height, width) at the published sizes: tokens and passes of LLaVA-NeXT and of OneVision.
#[test]
fn tiles_are_as_many_as_at_the_published_sizes() {
    let next = llava_next().read().expect("LLaVA-NeXT");
    let one = onevision().read().expect("OneVision");
    assert_eq!(vision(&next).tower.tokens_per_view(), 576);
    assert_eq!(
        anyres(&one).pinpoints[..3],
        [[384, 384], [384, 768], [384, 1152]]
    );
    for (size_px, of_next, of_one) in [
        // OneVision's base view is its only tile.
        ([336, 336], (1176, 3), (1485, 1)),
        ([480, 640], (2340, 5), (2929, 5)),
        ([1080, 1920], (1948, 5), (7269, 16)),
        ([3000, 4000], (2340, 5), (7309, 31)),
    ] {
        for (config, expected) in [(&next, of_next), (&one, of_one)] {
            let picture = layout(config, size_px, true);
            let found = (picture.tokens, picture.passes());
            assert_eq!(found, expected, "{size_px:?}");
            assert!(matches!(picture.packing, Packing::Map(_)));
            assert_eq!(
                picture.canvases[0].size_px,
                [vision(config).tower.view_px; 2]
            );
        }
    }
    for (config, tokens, passes) in [(&next, 2928, 5), (&one, 8765, 37)] {
        let largest = vision(config)
            .largest_layout(Coverage::Live)
            .expect("a layout");
        assert_eq!((largest.tokens, largest.passes()), (tokens, passes));
    }
    // Of several pictures OneVision sees one view each, NeXT the same tiles.
    let several = layout(&one, [480, 640], false);
    assert_eq!((several.tokens, several.passes()), (730, 1));
    assert_eq!(several.packing, Packing::Views { newline: true });
    assert_eq!(layout(&next, [480, 640], false).tokens, 2340);
    let video = vision(&one)
        .video_layout(&[0.0; 32], 32.0)
        .expect("a video");
    assert_eq!((video.tokens, video.passes()), (6273, 32));
    assert_eq!(video.packing, Packing::Frames { side: 14 });
    // 196 tokens a frame, and one behind them all.
    for (most, room, frames) in [
        (None, 1 << 20, 32),
        (Some(50), 8192, 50),
        (None, 1961, 10),
        (None, 1960, 9),
    ] {
        let choice = vision(&one).choice(most, room).expect("it sees videos");
        assert_eq!(choice.frames(1000, 25.0, 40.0).len(), frames, "{room}");
    }
    assert!(vision(&next).choice(None, 8192).is_err());
}

#[test]
fn features_are_those_that_the_file_selects() {
    let features = |layer: Value| {
        let files = llava_1_5().with("config/vision_feature_layer", layer);
        vision(&files.read().expect("features"))
            .tower
            .features
            .clone()
    };
    for (layer, expected) in [
        (json!(-2), vec![23]),
        (json!(-1), vec![24]),
        (json!(-25), vec![0]),
        (json!(0), vec![0]),
        (json!(24), vec![24]),
        (json!([-2, -5, 7]), vec![23, 20, 7]),
        (Value::Null, vec![23]),
    ] {
        assert_eq!(features(layer.clone()), expected, "{layer}");
    }
    let wide = llava_1_5().with("config/vision_feature_layer", json!([-2, -5]));
    assert_eq!(mlp(&wide.read().expect("two layers")).inputs, 2048);
    let full = llava_1_5().with("config/vision_feature_select_strategy", json!("full"));
    assert_eq!(
        layout(&full.read().expect("full"), [9, 9], true).tokens,
        577
    );
    // A SigLIP that drops its first patch: as the file says.
    let odd = Files::of("llava-siglip-qwen2")
        .with("config/vision_feature_select_strategy", json!("default"));
    assert_eq!(
        layout(&odd.read().expect("default"), [9, 9], true).tokens,
        15
    );
}

#[test]
fn heads_are_tied_by_the_rules_of_each_class() {
    for (files, of_text_counts) in [
        (llava_1_5(), true),
        (llava_next(), false),
        (onevision(), true),
    ] {
        for (top, text, expected) in [
            (None, None, false),
            (None, Some(true), of_text_counts),
            (Some(true), Some(false), true),
            (Some(false), Some(true), false),
        ] {
            let mut files = files.clone();
            files.config["tie_word_embeddings"] = top.into();
            files.config["text_config"]["tie_word_embeddings"] = text.into();
            let tied = |files: &Files| files.read().expect("a model").decoder.tied;
            assert_eq!(tied(&files), expected, "{top:?}, {text:?}");
            assert!(tied(&files.with_tensors(&["model.embed_tokens.weight"])));
            assert_eq!(tied(&files.with_tensors(&["lm_head.weight"])), expected);
        }
    }
}
