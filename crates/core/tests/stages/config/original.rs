//! The original LLaVA's layout: told from INF-LLaVA by its tensors; fixtures, the published files, and what is refused.

mod refusals;

use inf_llava_core::config::{Config, Conversation, OwnPrompt};
use inf_llava_core::image::{Normalise, WHITE};
use inf_llava_core::spec::{
    Activation, AnyresSpec, Connector, Fit, Merge, MlpSpec, Packing, SingleSpec, Tiling, Video,
    parameters,
};
use serde_json::{Value, json};

use super::family::{Files, layout, pictures, stored};
use super::vision;

/// Names that every checkpoint has.
const PLAIN: [&str; 4] = [
    "lm_head.weight",
    "model.embed_tokens.weight",
    "model.mm_projector.0.weight",
    "model.mm_projector.2.weight",
];

/// liuhaotian/llava-v1.5-7b.
fn llava_1_5() -> Files {
    let config = json!({
        "architectures": ["LlavaLlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "freeze_mm_mlp_adapter": false,
        "freeze_mm_vision_resampler": false, "hidden_act": "silu", "hidden_size": 4096, "image_aspect_ratio": "pad",
        "initializer_range": 0.02, "intermediate_size": 11008, "max_length": 4096, "max_position_embeddings": 4096,
        "mm_hidden_size": 1024, "mm_projector_type": "mlp2x_gelu", "mm_resampler_type": null,
        "mm_use_im_patch_token": false, "mm_use_im_start_end": false, "mm_vision_select_feature": "patch",
        "mm_vision_select_layer": -2, "mm_vision_tower": "openai/clip-vit-large-patch14-336", "model_type": "llava",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32, "pad_token_id": 0,
        "pretraining_tp": 1, "rms_norm_eps": 1e-5, "rope_scaling": null, "tie_word_embeddings": false,
        "torch_dtype": "float16", "tune_mm_mlp_adapter": false, "unfreeze_mm_vision_tower": false, "use_cache": true,
        "use_mm_proj": true, "vocab_size": 32000
    });
    Files {
        config,
        ..Files::default()
    }
    .with_tensors(&PLAIN)
}

/// lmms-lab/llava-onevision-qwen2-0.5b-ov.
fn onevision() -> Files {
    let config = json!({
        "architectures": ["LlavaQwenForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151_643,
        "eos_token_id": 151_645, "hidden_act": "silu", "hidden_size": 896, "image_aspect_ratio": "anyres_max_9",
        "image_crop_resolution": null, "image_grid_pinpoints": "(1x1),...,(6x6)", "image_split_resolution": null,
        "intermediate_size": 4864, "max_position_embeddings": 32768, "max_window_layers": 24, "mm_hidden_size": 1152,
        "mm_newline_position": "one_token", "mm_patch_merge_type": "spatial_unpad", "mm_projector_type": "mlp2x_gelu",
        "mm_resampler_type": null, "mm_spatial_pool_mode": "bilinear", "mm_use_im_start_end": false,
        "mm_vision_select_feature": "patch", "mm_vision_select_layer": -2,
        "mm_vision_tower": "google/siglip-so400m-patch14-384", "model_type": "llava", "num_attention_heads": 14,
        "num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
        "sliding_window": 32768, "tie_word_embeddings": true, "use_sliding_window": false, "vocab_size": 151_936
    });
    Files {
        config,
        ..Files::default()
    }
    .with_tensors(&PLAIN)
}

fn named(name: &str) -> Files {
    let names = stored(name);
    let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    Files::of(name).with_tensors(&names)
}

fn single(config: &Config) -> &SingleSpec {
    match &vision(config).tiling {
        Tiling::Single(spec) => spec,
        other => panic!("{other:?}"),
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

#[test]
fn fixtures_are_read_as_written() {
    let mut compared = 0;
    for name in ["llava-original", "llava-next-original"] {
        let config = named(name)
            .read()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(config.kind, "llava_llama");
        assert_eq!(
            config.prompt,
            OwnPrompt::Conversation(Conversation::VicunaV1)
        );
        assert_eq!((config.bos_token_id, config.states_bos), (1, true));
        assert_eq!(
            (config.eos_token_ids.as_slice(), config.image_token_id),
            (&[2][..], None)
        );
        assert_eq!(vision(&config).pixels.ground, WHITE);
        assert_eq!(vision(&config).pixels.normalise, Normalise::CLIP);
        assert_eq!(vision(&config).video, None);
        assert!(mlp(&config).has_second && mlp(&config).has_bias);
        let stored = stored(name);
        for weight in config.weights() {
            assert!(
                stored.contains(&(weight.name.clone(), weight.shape.clone())),
                "{name}: {weight:?}"
            );
        }
        for (size_px, treatment, tokens) in pictures(name) {
            // Several pictures are tiled all the same.
            for is_only in [true, false] {
                let found = layout(&config, size_px, is_only).tokens;
                assert_eq!(found, tokens, "{name}: {size_px:?}, {treatment}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 6, "{compared} pictures");
    let config = named("llava-original").read().expect("LLaVA-1.5");
    let pad = Fit::Pad {
        colour: [122, 116, 104],
        short_px: 56,
    };
    assert_eq!((single(&config).fit, single(&config).newline), (pad, false));
    assert!(!mlp(&config).has_newline);
    assert_eq!(vision(&config).tower.features, [3]);
    let config = named("llava-next-original").read().expect("LLaVA-NeXT");
    let spec = anyres(&config);
    // Height and width, where the file has width and height.
    assert_eq!(
        spec.pinpoints,
        [[112, 56], [56, 112], [112, 112], [56, 168], [168, 56]]
    );
    assert_eq!((spec.most, spec.rounds, spec.several), (None, false, None));
    assert!(mlp(&config).has_newline);
}

/// The same keys, and other tensors.
#[test]
fn the_tensors_decide() {
    let files = llava_1_5().with("config/model_type", json!("llava_llama"));
    let with = |name: &str| {
        let names: Vec<&str> = PLAIN.iter().copied().chain([name]).collect();
        files.with_tensors(&names).read().expect(name)
    };
    let plain = files.read().expect("LLaVA-1.5");
    assert_eq!(
        plain.prompt,
        OwnPrompt::Conversation(Conversation::VicunaV1)
    );
    let dual = with("model.spatial_embed.attention.q_proj.weight");
    assert_eq!(
        (dual.dual().is_some(), dual.prompt),
        (true, OwnPrompt::ConvLlama3)
    );
    // Not by the beginning of a word.
    assert!(with("model.spatial_embedding.weight").dual().is_none());
    let vlsa = files.without("config/image_aspect_ratio");
    let names: Vec<&str> = PLAIN
        .iter()
        .copied()
        .chain(["model.sa_perceiver.query"])
        .collect();
    let vlsa = vlsa.with_tensors(&names).read().expect("VLSA");
    assert!(matches!(vision(&vlsa).connector, Connector::Perceiver(_)));
    // Where they are not known, and where a block of its own says so, it is INF-LLaVA.
    let mut unknown = files.clone();
    unknown.tensors = None;
    assert!(unknown.read().expect("INF-LLaVA").dual().is_some());
    let block = files.with("config/inf_llava", json!({"crops_per_side": 3}));
    assert!(block.read().expect("INF-LLaVA").dual().is_some());
    // These decoders INF-LLaVA never had.
    for (kind, prompt, has_bias) in [
        ("llava_mistral", Conversation::Mistral, false),
        ("mistral", Conversation::Mistral, false),
        ("llava_qwen", Conversation::Qwen, true),
        ("llava-qwen", Conversation::Qwen, true),
        ("qwen2", Conversation::Qwen, true),
    ] {
        let config = unknown
            .with("config/model_type", json!(kind))
            .read()
            .expect(kind);
        assert_eq!(config.prompt, OwnPrompt::Conversation(prompt), "{kind}");
        assert_eq!(config.decoder.qkv_bias, has_bias, "{kind}");
        // No decoder of the block's is one of these.
        let block = block.with("config/model_type", json!(kind));
        block.refused(&["model_type", kind, "INF-LLaVA's is \"llava_llama\""]);
    }
    for (kind, prompt) in [
        ("llama", Conversation::VicunaV1),
        ("llava_llama_3", Conversation::VicunaV1),
    ] {
        let config = files
            .with("config/model_type", json!(kind))
            .read()
            .expect(kind);
        assert_eq!(config.prompt, OwnPrompt::Conversation(prompt), "{kind}");
    }
    let null = files
        .with("config/model_type", Value::Null)
        .read()
        .expect("no kind");
    assert_eq!(
        (null.kind.as_str(), null.dual().is_some()),
        ("llava_llama", false)
    );
}

#[test]
fn the_published_files_are_read() {
    let config = llava_1_5().read().expect("LLaVA-1.5");
    assert_eq!(parameters(&config.decoder.weights()), 6_738_415_616);
    let tower = &vision(&config).tower;
    assert_eq!(
        (tower.view_px, tower.hidden_size, tower.tokens_per_view()),
        (336, 1024, 576)
    );
    assert_eq!(layout(&config, [480, 640], true).tokens, 576);
    // By whatever path.
    let local = llava_1_5().with(
        "config/mm_vision_tower",
        json!("/data/models/clip-vit-large-patch14-336/"),
    );
    assert_eq!(local.read(), Ok(config));

    let files = onevision();
    let config = files.read().expect("OneVision");
    let tower = &vision(&config).tower;
    // 26 of 27 layers, whatever the file selects.
    assert_eq!(
        (
            &tower.features[..],
            tower.layers_run(),
            tower.num_hidden_layers
        ),
        (&[26][..], 26, 27)
    );
    assert_eq!(
        (tower.activation, tower.drops_first_token),
        (Activation::GeluTanh, false)
    );
    assert_eq!((tower.tokens_per_view(), tower.patch_px), (729, 14));
    assert_eq!(vision(&config).pixels.normalise, Normalise::HALVES);
    let layers = files.with("config/mm_vision_select_layer", json!(-5));
    assert_eq!(layers.read(), Ok(config.clone()));
    let spec = anyres(&config);
    assert_eq!(
        (spec.pinpoints.len(), spec.most, spec.rounds),
        (36, Some(9), false)
    );
    // (1x2) is one tile wide and two high.
    assert_eq!(spec.pinpoints[..3], [[384, 384], [768, 384], [1152, 384]]);
    assert_eq!(
        spec.several,
        Some(Fit::Pad {
            colour: [127; 3],
            short_px: 384
        })
    );
    assert_eq!(vision(&config).video, Some(Video::Pooled));
    assert_eq!(config.prompt, OwnPrompt::Conversation(Conversation::Qwen));
    assert!(config.decoder.tied && config.decoder.qkv_bias);
    assert_eq!(parameters(&config.decoder.weights()), 494_032_768);
    let picture = layout(&config, [1080, 1920], true);
    assert_eq!((picture.tokens, picture.passes()), (7269, 16));
    assert_eq!(layout(&config, [1080, 1920], false).tokens, 730);

    // microsoft/llava-med-v1.5-mistral-7b
    let mut med = llava_1_5();
    for (name, value) in [
        ("model_type", json!("llava_mistral")),
        ("architectures", json!(["LlavaMistralForCausalLM"])),
        ("intermediate_size", json!(14_336)),
        ("num_key_value_heads", json!(8)),
        ("sliding_window", Value::Null),
        ("rope_theta", json!(1e6)),
    ] {
        med.config[name] = value;
    }
    let med = med.read().expect("LLaVA-Med");
    assert_eq!(parameters(&med.decoder.weights()), 7_241_732_096);
    assert_eq!((med.decoder.window, med.decoder.rope.theta), (None, 1e6));
}

#[test]
fn pictures_become_views_as_the_file_says() {
    let base = llava_1_5();
    let fit_of = |files: &Files| {
        let config = files.read().expect("LLaVA");
        (
            single(&config).fit,
            single(&config).newline,
            mlp(&config).has_newline,
        )
    };
    let pad = |colour| Fit::Pad {
        colour,
        short_px: 336,
    };
    assert_eq!(fit_of(&base), (pad([122, 116, 104]), false, false));
    let crop = Fit::Crop { short_px: 336 };
    for absent in [json!("square"), Value::Null] {
        let files = base.with("config/image_aspect_ratio", absent);
        assert_eq!(fit_of(&files), (crop, false, false));
    }
    // One view ends with a newline there.
    let unpad = base.with("config/mm_patch_merge_type", json!("spatial_unpad"));
    assert_eq!(fit_of(&unpad), (pad([122, 116, 104]), true, true));
    let config = unpad.read().expect("LLaVA");
    let picture = layout(&config, [9, 9], true);
    assert_eq!(
        (picture.tokens, picture.packing),
        (577, Packing::Views { newline: true })
    );
    let siglip = onevision().with("config/mm_patch_merge_type", json!("flat"));
    let square = siglip.with("config/image_aspect_ratio", json!("square"));
    assert_eq!(fit_of(&square), (Fit::Squash, false, false));
    let mut settings = base.clone();
    settings.preprocessor =
        Some(json!({"image_mean": [0.0, 0.2, 1.0], "crop_size": 336, "size": 336}));
    assert_eq!(fit_of(&settings).0, pad([0, 51, 255]));

    let flat = siglip.read().expect("flat");
    let spec = anyres(&flat);
    assert_eq!((spec.merge, spec.several), (Merge::Flat, None));
    assert!(!mlp(&flat).has_newline);
    assert_eq!(vision(&flat).video, None);
    let picture = layout(&flat, [480, 640], true);
    assert_eq!(
        (picture.tokens, picture.packing),
        (5 * 729, Packing::Views { newline: false })
    );
    // The base view of a flat layout is not its only tile: its tokens come twice.
    assert_eq!(layout(&flat, [384, 384], true).passes(), 2);

    let linear = base.with("config/mm_projector_type", json!("linear"));
    assert!(!mlp(&linear.read().expect("one layer")).has_second);
    // Where the file does not say, the tensors do.
    let unsaid = base.without("config/mm_projector_type");
    assert!(mlp(&unsaid.read().expect("two layers")).has_second);
    let unsaid = unsaid.with_tensors(&["model.mm_projector.0.weight"]);
    assert!(!mlp(&unsaid.read().expect("one layer")).has_second);

    let kept = base.with("config/mm_vision_select_feature", json!("cls_patch"));
    assert_eq!(layout(&kept.read().expect("all"), [9, 9], true).tokens, 577);
    for (text, count, first) in [
        ("(1x1),...,(2x3)", 6, [336, 336]),
        ("(2x1),(2x2)", 2, [336, 672]),
    ] {
        let files = base
            .with("config/image_aspect_ratio", json!("anyres"))
            .with("config/image_grid_pinpoints", json!(text));
        let config = files.read().expect("tiles");
        assert_eq!(
            (
                anyres(&config).pinpoints.len(),
                anyres(&config).pinpoints[0]
            ),
            (count, first)
        );
    }
}
