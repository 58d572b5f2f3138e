//! A training checkpoint: a model folder plus the optimizer's state.
//!
//! ```text
//! config.json, tokenizer.json, ...   as in every model folder
//! model.safetensors                  every weight, f32
//! training.safetensors               first.NAME, second.NAME (AdamW), value.NAME (not in the model)
//! training.json                      the stage, its settings, steps done, the hashes of the two above
//! ```
//!
//! A folder is written under a temporary name and then replaces the old one by a rename, so that an
//! interruption at any moment, including a power failure, leaves a complete checkpoint.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::init::{HostTensor, Weights};
use super::optimizer::Moments;
use super::parameters::{from_vec, replace, shapes, to_vec, values};
use super::run::State;
use inf_llava::config::TOKENIZER_FILE;
use inf_llava::config::{CONFIG_FILE, GENERATION_FILE, PREPROCESSOR_FILE};
use inf_llava::durable::{self, beside, failed};
use inf_llava::error::{Error, Result};
use inf_llava::files;
use inf_llava::spec::Weight;

/// File name of the weights.
pub const MODEL_FILE: &str = "model.safetensors";
const TRAINING_FILE: &str = "training.safetensors";
const PROGRESS_FILE: &str = "training.json";

/// Size limit for a file that is read whole, in bytes; the weights of a model that can be trained
/// here are far smaller.
const FILE_CAP: u64 = 1 << 38;

/// The files of a model folder besides its weights, by name.
pub type Companions = BTreeMap<String, Vec<u8>>;

/// The files that are copied from a model folder into every checkpoint.
pub const COMPANIONS: [&str; 4] = [
    CONFIG_FILE,
    GENERATION_FILE,
    PREPROCESSOR_FILE,
    TOKENIZER_FILE,
];

/// How far a run has got, and the settings it was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Name of the stage.
    pub stage: String,
    /// Steps done.
    pub step: u64,
    /// Every setting that affects the run's numbers, flattened: key -> value.
    pub settings: BTreeMap<String, String>,
}

/// The contents of `training.json`.
#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    progress: Progress,
    /// SHA-256 of each weights file, in hexadecimal; absent from checkpoints of earlier versions.
    #[serde(default)]
    sha256: BTreeMap<String, String>,
}

/// Whether `folder` holds a training checkpoint. If a run was interrupted while it replaced one,
/// the old checkpoint is restored first.
pub fn exists(folder: &Path) -> bool {
    // On failure there is no checkpoint, and `false` reports that.
    let _ = durable::put_back(folder, &beside(folder, "old"));
    folder.join(PROGRESS_FILE).is_file()
}

/// The companions of a model folder.
///
/// # Errors
/// [`Error::FileAccess`].
pub fn read_companions(folder: &Path) -> Result<Companions> {
    let present = COMPANIONS.iter().filter(|name| folder.join(name).is_file());
    present
        .map(|name| Ok((name.to_string(), read(&folder.join(name))?)))
        .collect()
}

/// Writes a folder of weights and companions: with `training` a checkpoint that a run can resume
/// from, in f32; without it a finished model, in f16.
///
/// # Errors
/// [`Error::Output`].
pub fn write_folder(
    folder: &Path,
    companions: &Companions,
    weights: &Weights,
    training: Option<(&Progress, &Weights)>,
) -> Result<()> {
    let next = beside(folder, "next");
    durable::remove_folder(&next)?;
    durable::create_folder(&next)?;
    for (name, bytes) in companions {
        durable::write_in_unfinished(&next.join(name), bytes)?;
    }
    let mut sha256 = BTreeMap::new();
    let mut write = |name: &str, weights: &Weights, dtype| {
        let bytes = serialize(weights, dtype)?;
        sha256.insert(name.to_string(), hash(&bytes));
        durable::write_in_unfinished(&next.join(name), &bytes)
    };
    // Resuming needs exact values; a finished model takes half the space.
    let dtype = match training {
        Some(_) => Dtype::F32,
        None => Dtype::F16,
    };
    write(MODEL_FILE, weights, dtype)?;
    if let Some((progress, tensors)) = training {
        write(TRAINING_FILE, tensors, Dtype::F32)?;
        let progress = progress.clone();
        let json = serde_json::to_vec_pretty(&Written { progress, sha256 });
        let json = json.map_err(|e| failed(&next, e))?;
        durable::write_in_unfinished(&next.join(PROGRESS_FILE), &json)?;
    }
    durable::replace(folder, &next, &beside(folder, "old"))
}

/// The tensors that only training needs: the optimizer's moments, and trained values that are not
/// part of the model.
pub fn training_tensors<M: Module>(
    state: &State<M>,
    list: &[Weight],
    weights: &Weights,
) -> Weights {
    let mut tensors = Weights::new();
    let mut add = |kind: &str, name: &str, values: Vec<f32>, shape: &[usize]| {
        let shape = shape.to_vec();
        tensors.insert(format!("{kind}.{name}"), HostTensor { values, shape });
    };
    for (Weight { name, shape, .. }, value) in list.iter().zip(values(&state.trained)) {
        if !weights.contains_key(name) {
            add("value", name, to_vec(&value), shape);
        }
    }
    if let Some(moments) = state.optimization.moments() {
        for (Weight { name, shape, .. }, (first, second)) in list.iter().zip(moments) {
            add("first", name, first, shape);
            add("second", name, second, shape);
        }
    }
    tensors
}

/// Copies the trained values into `weights`, for the tensors that the model has.
pub fn update<M: Module>(weights: &mut Weights, list: &[Weight], trained: &M) {
    for (Weight { name, .. }, value) in list.iter().zip(values(trained)) {
        if let Some(tensor) = weights.get_mut(name) {
            tensor.values = to_vec(&value);
        }
    }
}

/// Resumes the run whose checkpoint is in `folder`, after [`check`] has accepted it. `state`
/// already holds modules with the checkpoint's model weights.
///
/// # Errors
/// [`Error::Checkpoint`], [`Error::TensorShape`], [`Error::FileAccess`].
pub fn restore<M: Module>(folder: &Path, mut state: State<M>, list: &[Weight]) -> Result<State<M>> {
    let Written { progress, sha256 } = read_written(folder)?;
    let file = folder.join(TRAINING_FILE);
    let tensors = read_checked(&file, sha256.get(TRAINING_FILE))?;
    let old = values(&state.trained);
    let find =
        |kind: &str, name: &str, shape: &[usize]| match tensors.get(&format!("{kind}.{name}")) {
            Some(tensor) if tensor.shape == shape => Ok(Some(tensor.values.clone())),
            Some(tensor) => Err(Error::TensorShape {
                name: format!("{kind}.{name}"),
                file: file.display().to_string(),
                found: tensor.shape.clone(),
                expected: shape.to_vec(),
            }),
            None => Ok(None),
        };
    let mut new = Vec::with_capacity(old.len());
    let mut moments: Vec<Moments> = Vec::with_capacity(old.len());
    for (Weight { name, shape, .. }, old) in list.iter().zip(old) {
        new.push(match find("value", name, shape)? {
            Some(value) => from_vec(value, &old),
            None => old,
        });
        if let (Some(first), Some(second)) =
            (find("first", name, shape)?, find("second", name, shape)?)
        {
            moments.push((first, second));
        }
    }
    if moments.len() != new.len() && progress.step > 0 {
        return Err(Error::checkpoint(
            file.display(),
            format!(
                "it holds the moments of {} of {} parameters",
                moments.len(),
                new.len()
            ),
        ));
    }
    debug_assert_eq!(shapes(&state.trained).len(), list.len());
    state.optimization.restore(moments, progress.step, &new);
    state.trained = replace(state.trained, new);
    state.step = progress.step;
    Ok(state)
}

/// The progress recorded in the checkpoint in `folder`.
///
/// # Errors
/// [`Error::FileAccess`], [`Error::Checkpoint`].
pub fn read_progress(folder: &Path) -> Result<Progress> {
    Ok(read_written(folder)?.progress)
}

fn read_written(folder: &Path) -> Result<Written> {
    let file = folder.join(PROGRESS_FILE);
    serde_json::from_slice(&read(&file)?).map_err(|e| Error::checkpoint(file.display(), e))
}

/// The model's weights in the training checkpoint in `folder`, checked against the recorded hashes.
///
/// # Errors
/// [`Error::FileAccess`]; [`Error::Checkpoint`] for a damaged file.
pub fn read_weights(folder: &Path) -> Result<Weights> {
    let sha256 = read_written(folder)?.sha256;
    read_checked(&folder.join(MODEL_FILE), sha256.get(MODEL_FILE))
}

/// Checks that the checkpoint in `folder` belongs to the run that `expected` describes.
///
/// # Errors
/// [`Error::Resume`] naming the first setting that differs; the errors of [`read_progress`].
pub fn check(folder: &Path, expected: &Progress) -> Result<()> {
    let found = &read_progress(folder)?;
    let differs = |field: &str, found: &str, expected: &str| {
        Err(Error::Resume {
            file: folder.join(PROGRESS_FILE).display().to_string(),
            field: field.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        })
    };
    if found.stage != expected.stage {
        return differs("stage", &found.stage, &expected.stage);
    }
    let fields = found.settings.keys().chain(expected.settings.keys());
    for field in fields {
        let of = |progress: &Progress| match progress.settings.get(field) {
            Some(value) => value.clone(),
            None => "not set".to_string(),
        };
        if of(found) != of(expected) {
            return differs(field, &of(found), &of(expected));
        }
    }
    Ok(())
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&chunk| u16::from_le_bytes(chunk))
}

/// Every tensor of a safetensors file, as f32.
///
/// # Errors
/// [`Error::FileAccess`], [`Error::Checkpoint`].
pub fn read_tensors(file: &Path) -> Result<Weights> {
    read_checked(file, None)
}

/// As [`read_tensors`], and checks the file against the SHA-256 `sha256` if there is one.
fn read_checked(file: &Path, sha256: Option<&String>) -> Result<Weights> {
    let bytes = read(file)?;
    let bad = |reason: String| Error::checkpoint(file.display(), reason);
    let found = sha256.map(|_| hash(&bytes));
    if sha256 != found.as_ref() {
        return Err(bad(
            "its bytes are not those that were written: the checkpoint is damaged, and training cannot go on from it"
                .into(),
        ));
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
    tensors
        .iter()
        .map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => {
                    let (chunks, _) = data.as_chunks();
                    chunks.iter().map(|&c| f32::from_le_bytes(c)).collect()
                }
                Dtype::F16 => halves(data)
                    .map(|bits| half::f16::from_bits(bits).to_f32())
                    .collect(),
                Dtype::BF16 => halves(data)
                    .map(|bits| half::bf16::from_bits(bits).to_f32())
                    .collect(),
                other => return Err(bad(format!("{name} is stored as {other:?}, not as floats"))),
            };
            let tensor = HostTensor {
                values,
                shape: view.shape().to_vec(),
            };
            Ok((name.to_string(), tensor))
        })
        .collect()
}

/// The bytes of a safetensors file, in f32 or f16.
///
/// # Errors
/// [`Error::Checkpoint`] if the number of a tensor's values does not match its shape.
pub fn serialize<'a>(
    weights: impl IntoIterator<Item = (&'a String, &'a HostTensor)>,
    dtype: Dtype,
) -> Result<Vec<u8>> {
    let bad = |e: safetensors::SafeTensorError| Error::checkpoint(MODEL_FILE, e);
    let weights: Vec<_> = weights.into_iter().collect();
    let bytes: Vec<Vec<u8>> = weights
        .iter()
        .map(|(_, tensor)| {
            let values = tensor.values.iter();
            match dtype {
                Dtype::F16 => values
                    .flat_map(|&value| half::f16::from_f32(value).to_le_bytes())
                    .collect(),
                _ => values.flat_map(|value| value.to_le_bytes()).collect(),
            }
        })
        .collect();
    let views: Vec<(&str, TensorView<'_>)> = weights
        .iter()
        .zip(&bytes)
        .map(|((name, tensor), bytes)| {
            let view = TensorView::new(dtype, tensor.shape.clone(), bytes).map_err(bad)?;
            Ok((name.as_str(), view))
        })
        .collect::<Result<_>>()?;
    safetensors::serialize(views, None).map_err(bad)
}

fn hash(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(file: &Path) -> Result<Vec<u8>> {
    files::read(file, FILE_CAP).map_err(|error| Error::FileAccess {
        file: file.display().to_string(),
        reason: error.to_string(),
    })
}
