//! SmolVLM and Idefics3: fixtures, the published sizes, what an absent key means, and what is refused.

mod refusals;
mod video;

use inf_llava_core::config::{Config, OwnPrompt};
use inf_llava_core::image::{Filter, Normalise, WHITE};
use inf_llava_core::spec::{Activation, Connector, GridSpec, Run, ShuffleSpec, Tiling, parameters};
use serde_json::{Value, json};

use super::family::{Files, layout, pictures, stored};
use super::vision;

/// HuggingFaceTB/SmolVLM-256M-Instruct.
fn smolvlm_256m() -> Files {
    Files {
        config: json!({
            "architectures": ["Idefics3ForConditionalGeneration"],
            "image_token_id": 49190,
            "model_type": "idefics3",
            "pad_token_id": 128002,
            "scale_factor": 4,
            "text_config": {
                "_flash_attn_2_enabled": true, "_name_or_path": "None", "architectures": ["VLlama3ForCausalLM"],
                "head_dim": 64, "hidden_size": 576, "intermediate_size": 1536, "is_llama_config": true,
                "max_position_embeddings": 8192, "model_type": "llama", "neftune_noise_alpha": 0.0,
                "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pad_token_id": 2,
                "perceiver_config": {"resampler_n_latents": 64}, "pixel_shuffle_factor": 4, "qk_layer_norms": false,
                "rms_norm_eps": 1e-5, "rope_interleaved": false, "rope_theta": 100000, "torch_dtype": "bfloat16",
                "use_resampler": false, "vocab_size": 49280
            },
            "tie_word_embeddings": false,
            "vision_config": {
                "hidden_size": 768, "image_size": 512, "max_image_size": {"longest_edge": 512},
                "model_type": "idefics3", "num_attention_heads": 12, "patch_size": 16,
                "size": {"longest_edge": 2048}, "tie_word_embeddings": false, "use_base_siglip": false
            },
            "vocab_size": 49280
        }),
        generation: Some(json!({"bos_token_id": 0, "eos_token_id": 49279, "pad_token_id": 2})),
        preprocessor: Some(json!({
            "do_convert_rgb": true, "do_image_splitting": true, "do_normalize": true, "do_pad": true,
            "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
            "image_processor_type": "Idefics3ImageProcessor", "max_image_size": {"longest_edge": 512},
            "processor_class": "Idefics3Processor", "resample": 1, "rescale_factor": 0.00392156862745098,
            "size": {"longest_edge": 2048}
        })),
        processor: Some(json!({"image_seq_len": 64, "processor_class": "Idefics3Processor"})),
        tensors: None,
    }
}

fn shuffle(config: &Config) -> &ShuffleSpec {
    match &vision(config).connector {
        Connector::Shuffle(shuffle) => shuffle,
        other => panic!("{other:?}"),
    }
}

fn grid(config: &Config) -> GridSpec {
    match vision(config).tiling {
        Tiling::Grid(grid) => grid,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn every_fixture_is_read_as_written() {
    for (name, longest_px, tile_px, scale, image, stop, is_tied) in [
        ("smolvlm-tiny", 256, 64, 4, 438, 447, false),
        ("smolvlm-geometry", 1024, 512, 4, 438, 447, false),
        ("idefics3-tiny", 252, 84, 3, 421, 422, true),
    ] {
        let files = Files::of(name);
        let config = files.read().expect(name);
        assert_eq!(
            grid(&config),
            GridSpec {
                longest_px,
                tile_px,
                splits: true
            }
        );
        let vision = vision(&config);
        let tower = &vision.tower;
        assert_eq!(shuffle(&config).scale, scale);
        assert_eq!(shuffle(&config).inputs, tower.hidden_size);
        assert_eq!(shuffle(&config).outputs, config.decoder.hidden_size);
        assert_eq!(tower.features, [tower.num_hidden_layers]);
        assert!(tower.has_post_norm && tower.has_patch_bias && !tower.has_class_token);
        assert_eq!(tower.activation, Activation::GeluTanh);
        assert_eq!(vision.pixels.normalise, Normalise::HALVES);
        assert_eq!(
            (vision.pixels.filter, vision.pixels.ground),
            (Filter::Lanczos, WHITE)
        );
        assert_eq!(config.image_token_id, Some(image));
        assert_eq!(config.eos_token_ids, [stop]);
        assert_eq!(config.prompt, OwnPrompt::Checkpoint);
        assert_eq!(config.decoder.tied, is_tied);
        assert_eq!(config.kind, files.config["model_type"]);
        // All of the checkpoint, and nothing else, is read.
        let stored: Vec<Vec<usize>> = stored(name).into_iter().map(|(_, shape)| shape).collect();
        let values: usize = stored
            .iter()
            .map(|shape| shape.iter().product::<usize>())
            .sum();
        assert_eq!(config.weights().len(), stored.len(), "{name}");
        assert_eq!(parameters(&config.weights()), values as u64, "{name}");
    }
    let tiny = Files::of("smolvlm-tiny").read().expect("tiny");
    let decoder = &tiny.decoder;
    assert_eq!(
        (decoder.num_attention_heads, decoder.num_key_value_heads),
        (6, 2)
    );
    assert_eq!((decoder.head_dim, decoder.vocab_size), (8, 464));
    assert_eq!((decoder.rope.theta, decoder.rms_norm_eps), (1e5, 1e-5));
    // Its `bos_token_id` is the top level's, or text_config's; generation_config.json's is not used.
    assert!(!tiny.states_bos);
    let idefics = Files::of("idefics3-tiny").read().expect("tiny");
    assert_eq!(idefics.decoder.rope.theta, 130_000.0);
    assert_eq!((idefics.bos_token_id, idefics.states_bos), (0, true));
}

#[test]
fn pictures_take_as_many_tokens_as_in_transformers() {
    let mut compared = 0;
    for name in ["smolvlm-tiny", "smolvlm-geometry", "idefics3-tiny"] {
        let split = Files::of(name);
        let settings = match &split.preprocessor {
            Some(_) => "preprocessor",
            None => "processor/image_processor",
        };
        let whole = split.with(&format!("{settings}/do_image_splitting"), json!(false));
        for (size_px, treatment, tokens) in pictures(name) {
            let files = match treatment.as_str() {
                "split" => &split,
                "whole" => &whole,
                _ => continue,
            };
            let config = files.read().expect(name);
            for is_only in [true, false] {
                let layout = layout(&config, size_px, is_only);
                assert_eq!(layout.tokens, tokens, "{name}: {size_px:?}, {treatment}");
            }
            compared += 1;
        }
    }
    assert!(compared >= 11, "{compared} pictures");
}

#[test]
fn the_published_sizes_are_read() {
    let config = smolvlm_256m().read().expect("256M");
    assert_eq!(parameters(&config.weights()), 256_484_928);
    assert_eq!(config.weights().len(), 471);
    assert_eq!(config.image_token_id, Some(49_190));
    assert_eq!(config.eos_token_ids, [49_279]);
    // 4:3 is 3 x 4 tiles and the whole, 64 tokens each.
    let picture = layout(&config, [960, 1280], true);
    assert_eq!((picture.passes(), picture.tokens), (13, 832));
    assert_eq!(picture.canvases[0].size_px, [1536, 2048]);
    assert!(
        matches!(&picture.runs[0], Run::Words(words) if words == "<fake_token_around_image><row_1_col_1>")
    );
    let largest = vision(&config)
        .largest_layout(inf_llava_core::spec::plan::Coverage::Live)
        .expect("a layout");
    assert_eq!((largest.passes(), largest.tokens), (17, 1088));

    let mut files = smolvlm_256m();
    files.config["model_type"] = json!("smolvlm");
    files.config["vision_config"]["model_type"] = json!("smolvlm_vision");
    let text = &mut files.config["text_config"];
    for (name, value) in [
        ("hidden_size", 960),
        ("intermediate_size", 2560),
        ("num_attention_heads", 15),
        ("num_key_value_heads", 5),
    ] {
        text[name] = json!(value);
    }
    // Older revisions leave it out: 32 layers.
    let files = files.without("config/text_config/num_hidden_layers");
    let config = files.read().expect("500M");
    assert_eq!(parameters(&config.weights()), 507_482_304);
    assert_eq!(config.weights().len(), 489);
}

#[test]
fn an_absent_key_has_the_value_of_its_class() {
    let sparse = Files {
        config: json!({"model_type": "idefics3"}),
        preprocessor: Some(
            json!({"max_image_size": {"longest_edge": 224}, "size": {"longest_edge": 448}}),
        ),
        ..Files::default()
    };
    // 224 / 32 = 7 patches along a tile, which 2 does not divide.
    sparse.refused(&["scale_factor is 2", "7", "config.json"]);
    let config = sparse
        .with("config/scale_factor", json!(7))
        .read()
        .expect("defaults");
    let (tower, decoder) = (&vision(&config).tower, &config.decoder);
    assert_eq!((tower.hidden_size, tower.intermediate_size), (1152, 3072));
    assert_eq!(
        (tower.num_hidden_layers, tower.num_attention_heads),
        (12, 16)
    );
    assert_eq!((tower.view_px, tower.patch_px), (224, 32));
    assert_eq!(tower.layer_norm_eps, 1e-6);
    assert_eq!(
        (decoder.hidden_size, decoder.intermediate_size),
        (4096, 11_008)
    );
    assert_eq!(
        (decoder.num_hidden_layers, decoder.num_attention_heads),
        (32, 32)
    );
    assert_eq!((decoder.num_key_value_heads, decoder.head_dim), (32, 128));
    assert_eq!(
        (decoder.vocab_size, decoder.max_position_embeddings),
        (32_000, 2048)
    );
    assert_eq!((decoder.rope.theta, decoder.tied), (10_000.0, false));
    assert_eq!(decoder.rms_norm_eps, 1e-5);
    // Idefics3's own placeholder is beyond this vocabulary: no token stands for a picture.
    assert_eq!(config.image_token_id, None);
    assert!(config.eos_token_ids.is_empty());
    let there = sparse
        .with("config/scale_factor", json!(7))
        .with("config/text_config", json!({"vocab_size": 200_000}));
    let there = there.read().expect("a text_config");
    assert_eq!(there.decoder.rms_norm_eps, 1e-6);
    assert_eq!(there.image_token_id, Some(128_257));

    // The settings' defaults are those of Idefics3-8B.
    let mut large = smolvlm_256m();
    large.config["vision_config"]["image_size"] = json!(364);
    large.config["vision_config"]["patch_size"] = json!(14);
    large.config["scale_factor"] = json!(2);
    large.preprocessor = Some(json!({}));
    large.processor = None;
    let large = large.read().expect("Idefics3's settings");
    assert_eq!((grid(&large).longest_px, grid(&large).tile_px), (1456, 364));
    assert_eq!(layout(&large, [100, 100], true).tokens, 17 * 169);
    assert_eq!(vision(&large).pixels.filter, Filter::Lanczos);
    assert_eq!(vision(&large).pixels.normalise, Normalise::HALVES);
}

#[test]
fn a_side_that_patches_do_not_fill_is_read() {
    // SmolVLM-Instruct (2.2B): 384 = 27 * 14 + 6.
    let mut files = smolvlm_256m();
    files.config["vision_config"]["image_size"] = json!(384);
    files.config["vision_config"]["patch_size"] = json!(14);
    files.config["scale_factor"] = json!(3);
    let settings = files.file("preprocessor");
    settings["max_image_size"]["longest_edge"] = json!(384);
    settings["size"]["longest_edge"] = json!(1536);
    files.processor = Some(json!({"image_seq_len": 81}));
    let config = files.read().expect("2.2B");
    assert_eq!(layout(&config, [480, 640], true).tokens, 13 * 81);
}

#[test]
fn processor_config_wins_over_preprocessor_config() {
    let files = smolvlm_256m()
        .with("preprocessor/size/longest_edge", json!(512))
        .with("processor/image_processor", {
            let mut settings = smolvlm_256m().preprocessor.expect("settings");
            settings["size"]["longest_edge"] = json!(1024);
            settings["resample"] = json!(3);
            settings["image_mean"] = json!(0.25);
            settings
        });
    let config = files.read().expect("two files");
    assert_eq!(grid(&config).longest_px, 1024);
    assert_eq!(vision(&config).pixels.filter, Filter::Bicubic);
    assert_eq!(vision(&config).pixels.normalise.mean, [0.25; 3]);
    // Where there is no such object, the other file is read.
    let files = files.with("processor/image_processor", Value::Null);
    assert_eq!(grid(&files.read().expect("one file")).longest_px, 512);
    files
        .with("processor/image_processor", json!([]))
        .refused(&["processor_config.json", "image_processor", "object"]);
}

#[test]
fn a_checkpoint_without_a_head_is_tied() {
    let files = smolvlm_256m();
    let tied = |files: &Files| files.read().expect("256M").decoder.tied;
    assert!(!tied(&files));
    assert!(tied(&files.with_tensors(&["model.embed_tokens.weight"])));
    assert!(!tied(&files.with_tensors(&["lm_head.weight"])));
    // The key of text_config says nothing.
    assert!(!tied(
        &files.with("config/text_config/tie_word_embeddings", json!(true))
    ));
    assert!(tied(&files.with("config/tie_word_embeddings", json!(true))));
}
