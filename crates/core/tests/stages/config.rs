//! Configuration: what the released files mean, and that everything else is refused by name.

use inf_llava_core::Error;
use inf_llava_core::config::{Config, Scope, Treatment, Vision};
use inf_llava_core::spec::plan::Coverage;
use proptest::prelude::*;
use serde_json::{Value, json};

mod ablations;
mod family;
mod hostile;
mod kinds;
mod llava;
mod original;
mod smolvlm;
mod text;
mod vlsa;

/// The fixture `tiny`'s config.json, to be spoilt entry by entry.
fn tiny() -> Value {
    let json = std::fs::read(crate::fixture("tiny").join("config.json")).expect("fixture");
    serde_json::from_slice(&json).expect("JSON")
}

/// A released config.json: no `vision_config`, no `inf_llava`, the released sizes.
pub fn released() -> Value {
    let mut config = tiny();
    for name in ["vision_config", "inf_llava"] {
        config.as_object_mut().expect("object").remove(name);
    }
    for (name, value) in [
        ("hidden_size", 4096),
        ("intermediate_size", 14336),
        ("num_hidden_layers", 32),
        ("num_attention_heads", 32),
        ("num_key_value_heads", 8),
        ("vocab_size", 128_257),
        ("bos_token_id", 128_000),
        ("eos_token_id", 128_001),
        ("mm_hidden_size", 1024),
    ] {
        config[name] = value.into();
    }
    config
}

fn read(config: &Value, generation: Option<&str>) -> Result<Config, Error> {
    Config::from_json(
        config.to_string().as_bytes(),
        generation.map(|text| text.as_bytes()),
    )
}

/// `tiny` with the entry at `pointer` (made if it is not there) set to `value`.
fn with(pointer: &str, value: Value) -> Value {
    let mut config = tiny();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    config.pointer_mut(parent).expect("parent")[name] = value;
    config
}

/// Asserts that it is refused as a configuration, and that the message has every one of `words`.
fn refused(result: Result<Config, Error>, words: &[&str]) {
    match result {
        Err(error @ Error::Config { .. }) => {
            let message = error.to_string();
            for word in words {
                assert!(message.contains(word), "{word:?} is not in {message:?}");
            }
        }
        other => panic!("{words:?}: {other:?}"),
    }
}

fn vision(config: &Config) -> &Vision {
    config.vision.as_ref().expect("a vision side")
}

/// The side of the square that a picture becomes, and its visual tokens.
fn picture(config: &Config) -> (usize, usize) {
    let treatment = Treatment::only(Coverage::Live);
    let layout = vision(config)
        .layout([480, 640], treatment)
        .expect("a layout");
    assert_eq!(layout.size_px()[0], layout.size_px()[1]);
    (layout.size_px()[0], layout.tokens)
}

#[test]
fn a_released_config_gives_the_released_sizes() {
    let config = read(&released(), None).expect("released");
    let vision = &vision(&config).tower;
    assert_eq!(
        (
            config.dual().unwrap().crops_per_side,
            config.dual().unwrap().dem.heads
        ),
        (3, 8)
    );
    assert_eq!(picture(&config), (1008, 576));
    assert_eq!((vision.view_px, vision.patch_px), (336, 14));
    assert_eq!((vision.tokens_per_side(), vision.layers_run()), (24, 23));
    assert_eq!((vision.hidden_size, vision.intermediate_size), (1024, 4096));
    assert_eq!(vision.num_attention_heads, 16);
    assert_eq!(config.decoder.head_dim, 128);
    assert_eq!(config.decoder.rope.theta, 500_000.0);
    assert_eq!(config.context_tokens(None), Ok(4096));
    // 2 (key and value) * 32 layers * 8 heads * 128 channels * 4 bytes
    assert_eq!(config.decoder.cache_bytes_per_token(), 262_144);
    assert!(!config.random_weights);
    assert_eq!(config.scope, None);
    // The tower may be named by a path on the author's disk.
    let mut local = released();
    local["mm_vision_tower"] = "./checkpoints/clip-vit-large-patch14-336".into();
    assert_eq!(read(&local, None), Ok(config));
}

#[test]
fn a_scope_is_known_or_refused() {
    let scope = |value: Value| read(&with("/inf_llava/scope", value), None);
    let config = scope("drawn_scenes".into()).expect("a scope");
    assert_eq!(config.scope, Some(Scope::DrawnScenes));
    assert_eq!(json!(config.scope), json!("drawn_scenes"));
    assert_eq!(scope(Value::Null).expect("none").scope, None);
    refused(
        scope("cats".into()),
        &["inf_llava.scope", "cats", "drawn_scenes"],
    );
    refused(scope("".into()), &["inf_llava.scope"]);
    refused(scope(7.into()), &["string"]);
}

#[test]
fn the_fixture_is_read_as_written() {
    let config = read(&tiny(), None).expect("tiny");
    assert_eq!(picture(&config), (168, 16));
    let tower = &vision(&config).tower;
    assert_eq!((tower.num_hidden_layers, tower.layers_run()), (4, 3));
    let language = &config.decoder;
    assert_eq!(
        (language.num_attention_heads, language.num_key_value_heads),
        (6, 2)
    );
    assert_eq!((language.head_dim, language.vocab_size), (16, 507));
    assert_eq!(config.bos_token_id, 501);
}

#[test]
fn stop_ids_come_from_generation_config_first() {
    let eos = |config: &Value, generation| read(config, generation).map(|c| c.eos_token_ids);
    assert_eq!(eos(&tiny(), None), Ok(vec![502]));
    for (generation, expected) in [
        (r#"{"eos_token_id": [505, 3], "x": 1}"#, vec![505, 3]),
        (r#"{"eos_token_id": 7}"#, vec![7]),
        (r#"{"eos_token_id": null}"#, vec![502]),
        (r#"{"eos_token_id": []}"#, vec![502]),
        ("{}", vec![502]),
    ] {
        assert_eq!(eos(&tiny(), Some(generation)), Ok(expected), "{generation}");
    }
    // Without any, and with an empty list, the tokenizer's own are added (`stops.rs`): an answer must be able to end.
    for none in [Value::Null, json!([])] {
        let mut config = released();
        config["eos_token_id"] = none;
        assert_eq!(eos(&config, None), Ok(vec![]));
    }
}

#[test]
fn unsupported_choices_are_refused_by_name() {
    let v = |name: &str| format!("/vision_config/{name}");
    let cases = [
        (
            "/mm_projector_type".into(),
            json!("linear"),
            vec!["linear", "mlp2x_gelu"],
        ),
        ("/mm_vision_select_layer".into(), json!(-1), vec!["-2"]),
        (
            "/mm_vision_select_feature".into(),
            json!("cls_patch"),
            vec!["cls_patch", "patch"],
        ),
        ("/hidden_act".into(), json!("gelu"), vec!["gelu", "silu"]),
        (
            "/image_aspect_ratio".into(),
            json!("square"),
            vec!["square", "pad"],
        ),
        ("/tie_word_embeddings".into(), json!(true), vec!["lm_head"]),
        ("/rope_scaling".into(), json!({"factor": 8.0}), vec![]),
        ("/mm_hidden_size".into(), json!(63), vec!["63", "64"]),
        ("/hidden_size".into(), json!(97), vec!["97", "6"]),
        // 90 / 6 = 15, which has no pairs to turn.
        ("/hidden_size".into(), json!(90), vec!["15", "odd"]),
        ("/num_attention_heads".into(), json!(7), vec!["96", "7"]),
        ("/num_key_value_heads".into(), json!(4), vec!["6", "4"]),
        ("/rope_theta".into(), json!(0.0), vec!["0", "positive"]),
        ("/rms_norm_eps".into(), json!(-1.0), vec!["-1", "positive"]),
        ("/bos_token_id".into(), json!(507), vec!["507"]),
        ("/eos_token_id".into(), json!(507), vec!["507"]),
        ("/eos_token_id".into(), json!([5, 9999]), vec!["9999"]),
        ("/inf_llava/crops_per_side".into(), json!(0), vec!["0"]),
        (
            "/inf_llava/crops_per_side".into(),
            json!(17),
            vec!["17", "16"],
        ),
        ("/inf_llava/dem_heads".into(), json!(5), vec!["5", "64"]),
        ("/inf_llava/dem_heads".into(), json!(0), vec!["0"]),
        (v("hidden_act"), json!("gelu"), vec!["quick_gelu"]),
        (v("layer_norm_eps"), json!(0.0), vec!["0", "positive"]),
        (v("num_hidden_layers"), json!(1), vec!["2"]),
        (v("num_attention_heads"), json!(3), vec!["3", "64"]),
        (v("image_size"), json!(55), vec!["55", "14"]),
        (v("image_size"), json!(2058), vec!["2058", "2048"]),
        (v("patch_size"), json!(57), vec!["57", "56"]),
    ];
    assert!(read(&tiny(), None).is_ok(), "all of it hangs on this");
    for (pointer, value, mut words) in cases {
        words.push(pointer.rsplit('/').next().expect("a name"));
        words.push("config.json");
        refused(read(&with(&pointer, value), None), &words);
    }
    // The enhancement's inner width is C / 16.
    let mut config = with("/vision_config/hidden_size", json!(24));
    config["mm_hidden_size"] = json!(24);
    config["inf_llava"]["dem_heads"] = json!(2);
    refused(
        read(&config, None),
        &["vision_config.hidden_size", "24", "16"],
    );
    for tower in ["openai/clip-vit-base-patch32", "siglip", ""] {
        let mut config = released();
        config["mm_vision_tower"] = tower.into();
        refused(read(&config, None), &["mm_vision_tower", tower]);
    }
    let generation = Some(r#"{"eos_token_id": 600}"#);
    refused(read(&tiny(), generation), &["eos_token_id", "600", "507"]);
}

#[test]
fn every_size_has_bounds() {
    for pointer in [
        "/hidden_size",
        "/intermediate_size",
        "/num_hidden_layers",
        "/num_attention_heads",
        "/num_key_value_heads",
        "/vocab_size",
        "/max_position_embeddings",
        "/inf_llava/dem_heads",
        "/vision_config/hidden_size",
        "/vision_config/intermediate_size",
        "/vision_config/num_hidden_layers",
        "/vision_config/num_attention_heads",
        "/vision_config/image_size",
        "/vision_config/patch_size",
    ] {
        let name = pointer.rsplit('/').next().expect("a name");
        for value in [0, (1 << 20) + 1, 1 << 40, u64::MAX] {
            let result = read(&with(pointer, value.into()), None);
            refused(result, &[name, &value.to_string()]);
        }
        for value in [json!(-1), json!(1.5), json!("12"), json!([])] {
            refused(read(&with(pointer, value), None), &["config.json"]);
        }
    }
}

/// Each number alone is within the cap, and together they would fill any memory: the table of the
/// tensors' names alone would take gigabytes, for a file of a kilobyte.
#[test]
fn layers_and_heads_are_few() {
    for (pointer, rest) in [
        ("/num_hidden_layers", vec![]),
        ("/vision_config/num_hidden_layers", vec![]),
        (
            "/vision_config/num_attention_heads",
            vec![
                ("/vision_config/hidden_size", 1 << 20),
                ("/mm_hidden_size", 1 << 20),
            ],
        ),
    ] {
        let mut config = with(pointer, (1 << 20).into());
        for (other, value) in rest {
            *config.pointer_mut(other).expect("entry") = value.into();
        }
        refused(read(&config, None), &[&pointer[1..].replace('/', ".")]);
    }
}

#[test]
fn broken_files_are_named() {
    let valid = tiny().to_string().into_bytes();
    for broken in [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"<!DOCTYPE html>",
        b"\xff\xfe{",
    ] {
        refused(Config::from_json(broken, None), &["config.json"]);
        let result = Config::from_json(&valid, Some(broken));
        if broken != b"{}" && broken != b"[]" {
            refused(result, &["generation_config.json"]);
        }
    }
}

/// What later code multiplies must not overflow 64 bits, and the tables must be short.
fn is_bounded(config: &Config) -> Result<(), TestCaseError> {
    let language = &config.decoder;
    let tensors = config.weights();
    let numbers = |shape: &Vec<usize>| shape.iter().map(|&d| d as u128).product::<u128>();
    let weights: u128 = tensors
        .iter()
        .map(|weight| 4 * numbers(&weight.shape))
        .sum();
    let mut layers = language.num_hidden_layers;
    let mut pictures = 0;
    if let Some(vision) = &config.vision {
        let tower = &vision.tower;
        layers += tower.num_hidden_layers;
        prop_assert!(tower.layers_run() <= tower.num_hidden_layers);
        prop_assert!((1..=8).contains(&tower.features.len()));
        let tokens = tower.tokens_inside() as u128;
        let largest = vision.largest_layout(Coverage::Dense);
        let largest = largest.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(
            (1..=513).contains(&largest.passes()),
            "{} passes",
            largest.passes()
        );
        prop_assert!(largest.tokens <= 1 << 31, "{} tokens", largest.tokens);
        for size_px in [
            [1, 1],
            [1, 30_000],
            [30_000, 2],
            [999, 1000],
            [usize::MAX; 2],
        ] {
            for is_only in [true, false] {
                let coverage = Coverage::Live;
                // A sliver may be refused.
                if let Ok(layout) = vision.layout(
                    size_px,
                    Treatment {
                        is_only,
                        ..Treatment::only(coverage)
                    },
                ) {
                    prop_assert!(layout.passes() <= largest.passes(), "{size_px:?}");
                    prop_assert!(layout.tokens <= largest.tokens, "{size_px:?}");
                }
            }
        }
        let channels = tower.feature_channels() as u128;
        let scores = tokens * tokens * tower.num_attention_heads as u128 * 8;
        pictures = scores + largest.passes() as u128 * tokens * channels * 24;
    }
    prop_assert!(layers <= 4096, "{layers} layers");
    let cache =
        config.decoder.cache_bytes_per_token() as u128 * language.max_position_embeddings as u128;
    let all = weights + pictures + cache;
    prop_assert!(all < 1 << 63, "{all} bytes");
    prop_assert!(tensors.iter().all(|weight| !weight.shape.contains(&0)));
    Ok(())
}

#[test]
fn the_largest_accepted_sizes_are_bounded() {
    for count in (0..=20).map(|bits| 1 << bits) {
        let mut config = tiny();
        for name in ["hidden_size", "intermediate_size"] {
            config[name] = json!(1 << 20);
            config["vision_config"][name] = json!(1 << 20);
        }
        for name in ["num_hidden_layers", "num_attention_heads"] {
            config[name] = json!(count);
            config["vision_config"][name] = json!(count.max(2));
        }
        for name in ["vocab_size", "max_position_embeddings", "mm_hidden_size"] {
            config[name] = json!(1 << 20);
        }
        config["num_key_value_heads"] = json!(count);
        config["inf_llava"]["crops_per_side"] = json!(16);
        config["vision_config"]["image_size"] = json!(2048);
        config["vision_config"]["patch_size"] = json!(1);
        let config = read(&config, None);
        assert!(config.is_ok() || count > 128, "{count}: {config:?}");
        if let Ok(config) = config {
            is_bounded(&config).expect("bounded");
        }
    }
}

/// Pointers to every entry of `value`, nested ones too.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    for (name, inner) in value.as_object().into_iter().flatten() {
        let pointer = format!("{at}/{name}");
        pointers(inner, &pointer, found);
        found.push(pointer);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..64u32, 0..3u64).prop_map(|(bits, more)| (1u64 << bits).saturating_add(more).into()),
        // Products of small numbers divide one another often, so that many of these are accepted.
        (0..5u32, 0..3u32).prop_map(|(two, three)| (2u64.pow(two * 4) * 3u64.pow(three)).into()),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!([1, 2])),
        Just(json!({"hidden_size": 1})),
    ]
}

proptest! {
    #[test]
    fn changed_entries_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..4)
    ) {
        let mut config = tiny();
        let mut all = Vec::new();
        pointers(&config, "", &mut all);
        for (which, value) in changes {
            if let Some(entry) = config.pointer_mut(which.get(&all[..]).as_str()) {
                *entry = value;
            }
        }
        match read(&config, Some(&config.to_string())) {
            Ok(config) => is_bounded(&config)?,
            Err(error) => prop_assert!(matches!(error, Error::Config { .. }), "{error:?}"),
        }
    }

    #[test]
    fn changed_bytes_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 0..4),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut json = tiny().to_string().into_bytes();
        for (at, bits) in flips {
            let at = at.index(json.len());
            json[at] ^= bits;
        }
        if cut {
            json.truncate(keep.index(json.len()));
        }
        if let Ok(config) = Config::from_json(&json, None) {
            is_bounded(&config)?;
        }
    }
}
