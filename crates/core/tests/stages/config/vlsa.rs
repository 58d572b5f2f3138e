//! VLSA: its fixture, the choices of its block, and what is refused.

use inf_llava_core::config::{Config, OwnPrompt};
use inf_llava_core::image::{Normalise, PAD_COLOUR};
use inf_llava_core::spec::plan::Coverage;
use inf_llava_core::spec::{Connector, PerceiverSpec, Scores, SnapshotSpec, Tiling, View};
use serde_json::{Value, json};

use super::family::{Files, expected, layout, pictures, stored};
use super::vision;

fn perceiver(config: &Config) -> &PerceiverSpec {
    match &vision(config).connector {
        Connector::Perceiver(spec) => spec,
        other => panic!("{other:?}"),
    }
}

fn snapshot(config: &Config) -> SnapshotSpec {
    match vision(config).tiling {
        Tiling::Snapshot(spec) => spec,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn the_fixture_is_read_as_written() {
    let config = Files::of("vlsa").read().expect("VLSA");
    assert_eq!(
        (config.kind.as_str(), config.prompt),
        ("vlsa_llama", OwnPrompt::ConvLlama3)
    );
    assert_eq!((config.bos_token_id, config.states_bos), (507, true));
    assert_eq!(config.eos_token_ids, [508, 511]);
    assert_eq!(vision(&config).pixels.normalise, Normalise::CLIP);
    assert_eq!(vision(&config).tower.features, [2]);
    assert_eq!(
        snapshot(&config),
        SnapshotSpec {
            view_px: 56,
            max_patches: 6,
            is_centred: true,
            colour: PAD_COLOUR,
            of_padded: true
        }
    );
    let spec = perceiver(&config);
    assert_eq!(
        (spec.activation, spec.self_activation),
        (Scores::Silu, Scores::Softmax)
    );
    assert!(spec.has_score_scale && spec.has_mean_over_keys);
    assert_eq!((spec.projector.inputs, spec.projector.outputs), (64, 64));
    assert!(spec.projector.has_second && !spec.projector.has_newline);
    let stored = stored("vlsa");
    for weight in config.weights() {
        assert!(
            stored.contains(&(weight.name.clone(), weight.shape.clone())),
            "{weight:?}"
        );
    }
    let images = expected("vlsa")["images"].clone();
    let pictures = pictures("vlsa");
    assert_eq!(pictures.len(), 4);
    for ((size_px, _, tokens), image) in
        pictures.into_iter().zip(images.as_array().expect("images"))
    {
        let layout = layout(&config, size_px, true);
        assert_eq!((layout.tokens, tokens), (16, 16));
        let sides = image["patches"].as_array().expect("rows and columns");
        let patches: u64 = sides
            .iter()
            .map(|side| side.as_u64().expect("a number"))
            .product();
        // A picture of one patch is its own snapshot.
        let cut = layout
            .canvases
            .get(1)
            .map_or(1, |canvas| canvas.views.len());
        assert_eq!(cut as u64, patches, "{size_px:?}");
        assert_eq!(
            layout.passes() as u64,
            if patches == 1 { 1 } else { patches + 1 }
        );
        if let Some(canvas) = layout.canvases.get(1) {
            assert_eq!(json!(canvas.size_px), image["padded"]);
        }
        assert_eq!(layout.canvases[0].size_px, [56, 56]);
        assert_eq!(layout.canvases[0].views, [View::ALL]);
    }
    let largest = vision(&config)
        .largest_layout(Coverage::Live)
        .expect("a layout");
    assert_eq!((largest.passes(), largest.tokens), (7, 16));
}

#[test]
fn choices_of_the_block_are_read() {
    let files = Files::of("vlsa");
    let with = |key: &str, value: Value| {
        let config = files
            .with(&format!("config/vlsa/{key}"), value)
            .read()
            .expect(key);
        perceiver(&config).clone()
    };
    for (name, expected) in [
        ("silu", Scores::Silu),
        ("softmax", Scores::Softmax),
        ("none", Scores::Identity),
    ] {
        assert_eq!(with("activation", json!(name)).activation, expected);
        assert_eq!(
            with("self_activation", json!(name)).self_activation,
            expected
        );
    }
    assert!(!with("score_scale", json!("none")).has_score_scale);
    assert!(!with("mean_over_keys", json!(false)).has_mean_over_keys);
    // Weights that sum up to 1 are a mean.
    assert!(!with("activation", json!("softmax")).has_mean_over_keys);
    // What is left out is as in the fixture, but for the number of patches.
    let bare = files.without("config/vlsa").read().expect("no block");
    let whole = files.read().expect("VLSA");
    assert_eq!(perceiver(&bare), perceiver(&whole));
    assert_eq!(snapshot(&bare).max_patches, 16);
    let linear = files.with("config/mm_projector_type", json!("linear"));
    assert!(
        !perceiver(&linear.read().expect("one layer"))
            .projector
            .has_second
    );
    // Without its own name the block or the tensors tell.
    let other = files.with("config/model_type", json!("llava_llama"));
    assert!(matches!(
        vision(&other.read().expect("a block")).tiling,
        Tiling::Snapshot(_)
    ));
    let other = other
        .without("config/vlsa")
        .with_tensors(&["lm_head.weight", "model.sa_perceiver.query"]);
    assert!(matches!(
        vision(&other.read().expect("tensors")).tiling,
        Tiling::Snapshot(_)
    ));
}

#[test]
fn what_is_wrong_is_named() {
    let files = Files::of("vlsa");
    let cases: [(&str, Value, &[&str]); 13] = [
        ("vlsa/max_patches", json!(0), &["0", "256"]),
        ("vlsa/max_patches", json!(257), &["257", "256"]),
        (
            "vlsa/activation",
            json!("relu"),
            &["\"relu\"", "silu, softmax, none"],
        ),
        ("vlsa/self_activation", json!(1), &["1", "text"]),
        (
            "vlsa/score_scale",
            json!("sqrt"),
            &["\"sqrt\"", "rsqrt, none"],
        ),
        ("vlsa/mean_over_keys", json!("yes"), &["true or false"]),
        ("vlsa/heads", json!(4), &["\"heads\"", "max_patches"]),
        ("vlsa", json!([]), &["object"]),
        ("image_aspect_ratio", json!("pad"), &["\"pad\"", "vlsa"]),
        (
            "model_type",
            json!("llava_qwen"),
            &["llava_qwen", "vlsa_llama"],
        ),
        (
            "mm_vision_select_feature",
            json!("cls_patch"),
            &["cls_patch", "patch"],
        ),
        (
            "vision_config/model_type",
            json!("siglip_vision_model"),
            &["CLIP"],
        ),
        ("mm_hidden_size", json!(63), &["63", "64"]),
    ];
    for (key, value, words) in cases {
        files.with(&format!("config/{key}"), value).refused(words);
    }
    for (key, value) in [
        ("size", json!(224)),
        ("image_processor_type", json!("SiglipImageProcessor")),
        ("do_rescale", json!(false)),
    ] {
        let spoilt = files.with(&format!("preprocessor/{key}"), value);
        spoilt.refused(&["preprocessor_config.json", key]);
    }
}
