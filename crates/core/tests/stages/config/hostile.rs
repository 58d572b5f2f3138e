//! Files of the whole family that anybody may have written: nothing panics, and what is accepted is bounded.

use std::sync::LazyLock;

use inf_llava_core::Error;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::family::{Files, stored};
use super::{any_json, is_bounded, pointers};

const NAMES: [&str; 13] = [
    "idefics3-tiny",
    "llava-clip-llama",
    "llava-clip-llama3-full",
    "llava-next-clip-llama",
    "llava-next-clip-mistral",
    "llava-next-clip-mistral-window",
    "llava-next-original",
    "llava-onevision-siglip-qwen2",
    "llava-original",
    "llava-siglip-qwen2",
    "smolvlm-geometry",
    "smolvlm-tiny",
    "vlsa",
];

/// Every fixture, with its tensors where the layout has its own, and its decoder alone.
static ALL: LazyLock<Vec<Files>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for name in NAMES {
        let files = Files::of(name);
        if let Some(text) = files.config.get("text_config") {
            all.push(Files {
                config: text.clone(),
                ..Files::default()
            });
        }
        let names = stored(name);
        let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
        all.push(match files.config.get("mm_vision_tower") {
            Some(_) => files.with_tensors(&names),
            None => files,
        });
    }
    all
});

const FILES: [&str; 4] = ["config", "generation", "preprocessor", "processor"];

fn check(files: &Files) -> Result<(), TestCaseError> {
    match files.read() {
        Ok(config) => is_bounded(&config),
        Err(error) => {
            prop_assert!(matches!(error, Error::Config { .. }), "{error:?}");
            Ok(())
        }
    }
}

#[test]
fn every_fixture_is_accepted() {
    assert_eq!(ALL.len(), 13 + 10);
    for files in ALL.iter() {
        let config = files
            .read()
            .unwrap_or_else(|error| panic!("{error}: {}", files.config));
        is_bounded(&config).expect("bounded");
    }
}

/// The largest of each that passes: whatever is computed of these must fit.
#[test]
fn the_largest_accepted_sizes_are_bounded() {
    let (mut accepted, large) = (0, json!(1 << 20));
    for files in ALL.iter() {
        for count in (0..=10).map(|bits| 1 << bits) {
            let mut files = files.clone();
            let decoder = match files.config.get("text_config") {
                Some(_) => "/text_config",
                None => "",
            };
            for part in [decoder, "/vision_config"] {
                let Some(part) = files.config.pointer_mut(part) else {
                    continue;
                };
                for name in [
                    "hidden_size",
                    "intermediate_size",
                    "vocab_size",
                    "max_position_embeddings",
                ] {
                    part[name] = large.clone();
                }
                for name in [
                    "num_hidden_layers",
                    "num_attention_heads",
                    "num_key_value_heads",
                ] {
                    part[name] = json!(count);
                }
                part["head_dim"] = Value::Null;
                part["layer_types"] = Value::Null;
                part["use_sliding_window"] = json!(true);
                part["sliding_window"] = large.clone();
            }
            files.config["mm_hidden_size"] = Value::Null;
            files.config["scale_factor"] = json!(1);
            files.config["image_grid_pinpoints"] = Value::Null;
            // Features that the smallest tower has too.
            files.config["vision_feature_layer"] = json!([-1, -1, -1, -1, -1, -1, -1, -1]);
            files.config["mm_vision_select_layer"] = json!(-1);
            if let Some(vision) = files.config.get_mut("vision_config") {
                vision["patch_size"] = json!(1);
            }
            if let Some(processor) = &mut files.processor {
                processor["image_seq_len"] = Value::Null;
                processor["num_image_tokens"] = Value::Null;
            }
            if let Ok(config) = files.read() {
                is_bounded(&config).expect("bounded");
                accepted += 1;
            }
        }
    }
    assert!(accepted > 150, "{accepted} accepted");
}

proptest! {
    #[test]
    fn changed_entries_never_panic(
        which in any::<Index>(),
        changes in prop::collection::vec((0..4usize, any::<Index>(), any_json()), 1..5),
    ) {
        let mut files = which.get(&ALL[..]).clone();
        for (file, entry, value) in changes {
            let file = files.file(FILES[file]);
            let mut all = Vec::new();
            pointers(file, "", &mut all);
            if !all.is_empty() && let Some(entry) = file.pointer_mut(entry.get(&all[..]).as_str()) {
                *entry = value;
            }
        }
        check(&files)?;
    }

    /// Keys of one kind of model in the file of another, or of one file in another.
    #[test]
    fn mixed_files_never_panic(
        which in any::<[Index; 4]>(),
        keys in prop::collection::vec((any::<Index>(), any::<Index>()), 0..6),
        places in any::<[u8; 4]>(),
    ) {
        let mut files = which[0].get(&ALL[..]).clone();
        let any_file = |which: &Index, place: u8| {
            let mut other = which.get(&ALL[..]).clone();
            other.file(FILES[usize::from(place % 4)]).clone()
        };
        files.preprocessor = Some(any_file(&which[1], places[1]));
        files.processor = Some(any_file(&which[2], places[2]));
        files.tensors = which[3].get(&ALL[..]).tensors.clone();
        for (from, key) in keys {
            let other = from.get(&ALL[..]).config.clone();
            let other = other.as_object().expect("an object");
            let (name, value) = other.iter().nth(key.index(other.len())).expect("a key");
            files.config[name] = value.clone();
        }
        check(&files)?;
    }
}
