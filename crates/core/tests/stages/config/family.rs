//! A model folder's files of the family, to be read as they are or spoilt key by key.

use std::collections::BTreeSet;
use std::path::PathBuf;

use inf_llava_core::Error;
use inf_llava_core::config::{Config, ConfigFiles, Treatment};
use inf_llava_core::spec::Layout;
use inf_llava_core::spec::plan::Coverage;
use serde_json::{Value, json};

/// The files that say what a model is.
#[derive(Clone, Default)]
pub struct Files {
    pub config: Value,
    pub generation: Option<Value>,
    pub preprocessor: Option<Value>,
    pub processor: Option<Value>,
    pub tensors: Option<BTreeSet<String>>,
}

pub fn folder(name: &str) -> PathBuf {
    crate::fixture("family").join(name)
}

fn json_of(folder: &str, file: &str) -> Option<Value> {
    let json = std::fs::read(self::folder(folder).join(file)).ok()?;
    Some(serde_json::from_slice(&json).expect("JSON"))
}

impl Files {
    /// Of a fixture, without its tensors' names.
    pub fn of(name: &str) -> Self {
        Files {
            config: json_of(name, "config.json").expect("config.json"),
            generation: json_of(name, "generation_config.json"),
            preprocessor: json_of(name, "preprocessor_config.json"),
            processor: json_of(name, "processor_config.json"),
            tensors: None,
        }
    }

    /// With the key at `pointer` of a file set to `value`: `config`, `preprocessor` or `processor` first.
    pub fn with(&self, pointer: &str, value: Value) -> Self {
        let mut files = self.clone();
        let (name, inner) = pointer.split_once('/').expect("a file");
        let file = files.file(name);
        let pointer = format!("/{inner}");
        let (parent, key) = pointer.rsplit_once('/').expect("a key");
        file.pointer_mut(parent).expect("a parent")[key] = value;
        files
    }

    /// Without the key at `pointer`, as in [`Files::with`].
    pub fn without(&self, pointer: &str) -> Self {
        let mut files = self.clone();
        let (name, inner) = pointer.split_once('/').expect("a file");
        let pointer = format!("/{inner}");
        let (parent, key) = pointer.rsplit_once('/').expect("a key");
        let parent = files.file(name).pointer_mut(parent).expect("a parent");
        let gone = parent.as_object_mut().expect("an object").remove(key);
        assert!(gone.is_some(), "{pointer} is not there");
        files
    }

    pub fn file(&mut self, name: &str) -> &mut Value {
        let empty = || json!({});
        match name {
            "config" => &mut self.config,
            "generation" => self.generation.get_or_insert_with(empty),
            "preprocessor" => self.preprocessor.get_or_insert_with(empty),
            "processor" => self.processor.get_or_insert_with(empty),
            other => panic!("{other}"),
        }
    }

    /// With these names of tensors.
    pub fn with_tensors(&self, names: &[&str]) -> Self {
        Files {
            tensors: Some(names.iter().map(ToString::to_string).collect()),
            ..self.clone()
        }
    }

    pub fn read(&self) -> Result<Config, Error> {
        let bytes = |value: &Option<Value>| value.as_ref().map(|v| v.to_string().into_bytes());
        let (generation, preprocessor) = (bytes(&self.generation), bytes(&self.preprocessor));
        let processor = bytes(&self.processor);
        Config::from_files(&ConfigFiles {
            config: self.config.to_string().as_bytes(),
            generation: generation.as_deref(),
            preprocessor: preprocessor.as_deref(),
            processor: processor.as_deref(),
            tensors: self.tensors.as_ref(),
        })
    }

    /// Asserts that it is refused, naming every one of `words`.
    pub fn refused(&self, words: &[&str]) {
        super::refused(self.read(), words);
    }
}

/// A fixture's `expected.json`.
pub fn expected(name: &str) -> Value {
    json_of(name, "expected.json").expect("expected.json")
}

/// `num_tokens` and size (height, width) of each picture of a fixture, and its treatment.
pub fn pictures(name: &str) -> Vec<([usize; 2], String, usize)> {
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let images = expected(name)["images"].clone();
    let picture = |image: &Value| {
        (
            [number(&image["height"]), number(&image["width"])],
            image["treatment"].as_str().expect("a treatment").into(),
            number(&image["num_tokens"]),
        )
    };
    images
        .as_array()
        .expect("pictures")
        .iter()
        .map(picture)
        .collect()
}

/// The layout of a picture of `[height, width]` pixels.
pub fn layout(config: &Config, size_px: [usize; 2], is_only: bool) -> Layout {
    let treatment = Treatment {
        is_only,
        ..Treatment::only(Coverage::Live)
    };
    let layout = super::vision(config).layout(size_px, treatment);
    let layout = layout.expect("a layout");
    let runs = layout.runs.iter().map(|run| match run {
        inf_llava_core::spec::Run::Tokens(tokens) => *tokens,
        inf_llava_core::spec::Run::Words(_) => 0,
    });
    assert_eq!(runs.sum::<usize>(), layout.tokens);
    layout
}

/// Tensors and values of a fixture's checkpoint, of all its shards.
pub fn stored(name: &str) -> Vec<(String, Vec<usize>)> {
    let files = std::fs::read_dir(folder(name)).expect("a folder");
    let mut found = Vec::new();
    for file in files {
        let path = file.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if name.starts_with("model") && name.ends_with(".safetensors") {
            let bytes = std::fs::read(&path).expect("a shard");
            let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
            let tensors = header.tensors();
            found.extend(
                tensors
                    .into_iter()
                    .map(|(name, info)| (name, info.shape.clone())),
            );
        }
    }
    assert!(!found.is_empty(), "{name}");
    found
}
