//! Explains what a folder contains if it has no checkpoint: most such folders are intact but of
//! another kind.
//!
//! In: the untrusted names in it. Out: a sentence that says what it is and what to do; `None` if
//! nothing indicates it. This module must not open the files.

use std::fs;
use std::path::{Path, PathBuf};

use super::checkpoint::{INDEX_FILE, SINGLE_FILE, TORCH_FILES};
use super::manifest::MANIFEST_FILE;
use crate::config::{CONFIG_FILE, TOKENIZER_FILE};
use crate::error::{Error, Result};
use crate::files;
use crate::printable::quoted;

/// Most names that are examined; a folder may have millions.
const NAMES_CAP: usize = 4096;
/// Size limit of a file with a commit hash, including a line end.
const COMMIT_CAP: u64 = 128;
/// Most subfolders in a message.
const FOLDERS_TOLD: usize = 3;

/// A test on file names, and the explanation.
type Sign = (fn(&str) -> bool, &'static str);

/// In the order of the tests: an adapter often has a checkpoint's files beside it.
const SIGNS: [Sign; 13] = [
    (
        |name| name == "adapter_config.json" || name.starts_with("adapter_model."),
        "an adapter (LoRA), which has no weights of the model; merge it into its base model first (peft: merge_and_unload, then save_pretrained), and give that folder",
    ),
    (
        |name| matches!(name, "non_lora_trainables.bin" | "mm_projector.bin"),
        "a part of LLaVA's training (projector or adapter) without its base model; merge the two first (LLaVA: scripts/merge_lora_weights.py), and give that folder",
    ),
    (
        |name| name.ends_with(".gguf"),
        "a model quantised for llama.cpp (GGUF), which is not read; take the checkpoint that it was made from",
    ),
    (
        |name| {
            name == "zero_to_fp32.py"
                || name.starts_with("global_step")
                || name.starts_with("mp_rank_")
        },
        "a checkpoint of DeepSpeed in parts; put it together first: python zero_to_fp32.py . pytorch_model.bin",
    ),
    (
        |name| name.ends_with(".distcp") || name.starts_with("pytorch_model_fsdp"),
        "a checkpoint of FSDP in parts; put it together first (accelerate merge-weights)",
    ),
    (
        |name| name.starts_with("consolidated."),
        "a checkpoint in Meta's own layout; take the one in Hugging Face's layout",
    ),
    (
        |name| TORCH_FILES.contains(&name),
        "a checkpoint that torch.save wrote; convert it first: inf-llava convert",
    ),
    (
        |name| is_partial(name),
        "a download that was cut off (a file has the name of an unfinished one); download it again",
    ),
    (
        |name| is_shard(name),
        "shards without their index (model.safetensors.index.json or pytorch_model.bin.index.json), which says what is where; download that too",
    ),
    (
        |name| name.ends_with(".onnx"),
        "a model for onnxruntime (ONNX), which is not read; take the checkpoint that it was made from",
    ),
    (
        |name| {
            matches!(
                name,
                "tf_model.h5" | "saved_model.pb" | "flax_model.msgpack"
            ) || name.ends_with(".h5")
        },
        "weights of TensorFlow or Flax, which are not read; save the model with PyTorch or as safetensors",
    ),
    (
        |name| {
            [".pt", ".pth", ".ckpt"]
                .iter()
                .any(|ending| name.ends_with(ending))
        },
        "weights that torch.save wrote, under another name; if they are a state dict of the whole model, call the file pytorch_model.bin",
    ),
    (
        |name| name.ends_with(".safetensors") || name.ends_with(".bin"),
        "weights under another name; if they are the whole model, call the file model.safetensors (or pytorch_model.bin)",
    ),
];

fn is_partial(name: &str) -> bool {
    [
        ".incomplete",
        ".part",
        ".crdownload",
        ".download",
        ".tmp",
        ".aria2",
    ]
    .iter()
    .any(|ending| name.ends_with(ending))
}

/// `model-00001-of-00004.safetensors`
fn is_shard(name: &str) -> bool {
    let stem = name
        .strip_suffix(".safetensors")
        .or_else(|| name.strip_suffix(".bin"));
    let parts = stem.and_then(|stem| stem.rsplit_once("-of-"));
    let is_count = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    parts.is_some_and(|(stem, count)| {
        is_count(count) && stem.rsplit('-').next().is_some_and(is_count)
    })
}

/// Why `folder` does not contain `file`, a checkpoint's configuration or weights.
pub(super) fn why(folder: &Path, file: &str) -> Option<String> {
    let names = names(folder);
    let there = |name: &str| names.iter().any(|known| known == name);
    if file == TOKENIZER_FILE
        && ["tokenizer.model", "vocab.json", "merges.txt"]
            .into_iter()
            .any(there)
    {
        return Some(format!(
            "the folder has no {file}, but a tokenizer in an older layout; write the newer one beside it: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
        ));
    }
    if file != CONFIG_FILE && file != SINGLE_FILE {
        return None;
    }
    if file == CONFIG_FILE {
        let below: Vec<String> = names
            .iter()
            .filter(|name| is_model(&folder.join(name)))
            .take(FOLDERS_TOLD)
            .map(|name| quoted(name))
            .collect();
        if !below.is_empty() {
            return Some(format!(
                "it holds no {CONFIG_FILE}, but folders that do: {}; give one of these",
                below.join(", ")
            ));
        }
        if let Some(snapshot) = snapshot(folder) {
            return Some(format!(
                "it is a repository in the hub's cache; its files are in {}: give that folder",
                snapshot.display()
            ));
        }
    }
    // Checked before incomplete weights: an adapter's are complete.
    let is_adapter = |name: &String| (SIGNS[0].0)(name) || (SIGNS[1].0)(name);
    let weights = [INDEX_FILE, SINGLE_FILE]
        .into_iter()
        .find(|name| there(name));
    if file == CONFIG_FILE
        && let Some(weights) = weights.filter(|_| !names.iter().any(is_adapter))
    {
        return Some(format!(
            "the folder has the weights ({weights}) and no {file}, which says what they are of; copy or download it too"
        ));
    }
    let found = SIGNS.iter().find_map(|(shows, what)| {
        let name = names.iter().find(|name| shows(name))?;
        Some(format!("{} shows that it is {what}", quoted(name)))
    });
    let adds = if file == CONFIG_FILE || there(CONFIG_FILE) {
        ""
    } else {
        " and no config.json"
    };
    found.map(|found| format!("the folder has no {file}{adds}: {found}"))
}

fn is_model(folder: &Path) -> bool {
    [CONFIG_FILE, MANIFEST_FILE]
        .iter()
        .any(|file| folder.join(file).is_file())
}

/// The snapshot of a `models--owner--name` folder: the only one, or that of its branch.
fn snapshot(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.join("snapshots");
    let snapshots = match folder.ends_with("snapshots") {
        true => folder.to_path_buf(),
        false => snapshots,
    };
    let names = names(&snapshots);
    let main = files::read(&folder.join("refs/main"), COMMIT_CAP).ok();
    let main = main.and_then(|commit| String::from_utf8(commit).ok());
    let named = main.map(|commit| snapshots.join(commit.trim()));
    let mut all = names.iter().map(|name| snapshots.join(name));
    named
        .into_iter()
        .chain(all.by_ref())
        .find(|folder| is_model(folder))
}

/// The names in a folder, sorted, so that messages are deterministic.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().take(NAMES_CAP);
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// The model folder that `path` refers to: the path itself, or for a file of a model the folder
/// that contains it.
///
/// # Errors
/// [`Error::FileMissing`] if it does not exist, [`Error::Checkpoint`] for any other file.
pub fn folder_of(path: &Path) -> Result<PathBuf> {
    let file = path.display().to_string();
    if path.is_dir() {
        return Ok(path.to_path_buf());
    }
    if !path.exists() {
        return Err(Error::FileMissing { file });
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_part = [".json", ".safetensors", ".jinja"]
        .iter()
        .any(|ending| name.ends_with(ending))
        || (name.starts_with("pytorch_model") && name.ends_with(".bin"))
        || (name.starts_with("shard-") && name.ends_with(".bin"));
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if is_part && is_model(parent) {
        return Ok(parent.to_path_buf());
    }
    let shown = SIGNS.iter().find(|(shows, _)| shows(&name));
    Err(Error::checkpoint(
        file,
        match shown {
            Some((_, what)) => format!("a model is a folder, and this is a file of {what}"),
            None => "it is a file; a model is a folder with config.json, tokenizer.json and *.safetensors".into(),
        },
    ))
}
