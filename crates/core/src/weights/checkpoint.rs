//! A checkpoint in the Hugging Face layout: `model.safetensors`, or shards and their index. Opening
//! it reads and checks the headers; tensors are read one by one on request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use safetensors::Dtype;

use crate::error::{Error, Result};
use crate::spec::{EMBEDDINGS, Weight};
use crate::weights::header::{Entry, Index, bytes_of, read_header};
use crate::weights::manifest;
use crate::weights::others::{MERGE, UNQUANTISED, adapted, quantised, renamed, unwrapped};
use crate::weights::source::Source;
use crate::weights::tensors::Tensors;
use crate::weights::unread::unread;

pub(super) const INDEX_FILE: &str = "model.safetensors.index.json";
pub(super) const SINGLE_FILE: &str = "model.safetensors";
/// Files that peft and LLaVA's LoRA training write.
const ADAPTER_FILES: [&str; 4] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "non_lora_trainables.bin",
];
/// Prefix of the vision tower's names in this checkpoint; CLIP's own checkpoint lacks it.
const TOWER: &str = "model.vision_tower.vision_tower.";

/// The tensors of a checkpoint by name, and the source to read them from.
pub struct Checkpoint<S> {
    parts: Vec<Part<S>>,
}

/// One of the checkpoint's folders.
struct Part<S> {
    source: S,
    /// The prefix that this folder's names lack.
    prefix: &'static str,
    entries: BTreeMap<String, Entry>,
    files: Vec<String>,
}

impl<S: Source> Checkpoint<S> {
    /// File names, one of which every checkpoint has.
    pub const FILES: [&str; 2] = [INDEX_FILE, SINGLE_FILE];

    /// Reads the index, if there is one, and every header.
    ///
    /// # Errors
    /// [`Error::FileMissing`], [`Error::Checkpoint`], and the source's errors.
    pub async fn open(source: S) -> Result<Self> {
        let index = Index::read(&source, INDEX_FILE).await?;
        let mut headers = Vec::new();
        for file in Index::files(index.as_ref(), SINGLE_FILE) {
            let header = read_header(&source, &file).await;
            let header = header.map_err(|error| named_by(index.as_ref(), INDEX_FILE, error))?;
            headers.push((file, header));
        }
        refuse_adapter(&source)?;
        Self::from_headers(source, index, INDEX_FILE, headers)
    }

    /// Collects the tensors in `headers`, one header per file. If there is an index, it alone
    /// decides from which file a tensor is read.
    ///
    /// # Errors
    /// [`Error::TensorMissing`] for a tensor of the index that its file does not contain.
    pub(super) fn from_headers(
        source: S,
        index: Option<Index>,
        index_file: &str,
        headers: Vec<(String, Vec<(String, Entry)>)>,
    ) -> Result<Self> {
        let files = headers.iter().map(|(file, _)| file.clone()).collect();
        let named = headers.into_iter().flat_map(|(_, entries)| entries);
        let entries: BTreeMap<String, Entry> = match &index {
            None => named.collect(),
            Some(index) => named
                .filter(|(name, entry)| index.weight_map.get(name) == Some(&entry.file))
                .collect(),
        };
        let mut wanted = index.iter().flat_map(|index| &index.weight_map);
        if let Some((name, file)) = wanted.find(|(name, _)| !entries.contains_key(*name)) {
            return Err(Error::TensorMissing {
                name: name.clone(),
                file: source.describe(file),
                hint: format!(
                    ", where {index_file} says it is; the shard is from another checkpoint"
                ),
            });
        }
        let entries = unwrapped(entries)
            .map_err(|(file, reason)| Error::checkpoint(source.describe(&file), reason))?;
        let part = Part {
            source,
            prefix: "",
            entries,
            files,
        };
        Ok(Checkpoint { parts: vec![part] })
    }

    /// Adds a separate vision tower in the layout of CLIP's own checkpoint, for tensors missing
    /// here.
    pub fn with_tower(mut self, tower: Checkpoint<S>) -> Self {
        let parts = tower.parts.into_iter();
        self.parts.extend(parts.map(|part| Part {
            prefix: TOWER,
            ..part
        }));
        self
    }

    /// The files that contain the tensors, with their sources.
    pub fn files(&self) -> impl Iterator<Item = (&S, &str)> {
        self.parts.iter().flat_map(|part| {
            let files = part.files.iter();
            files.map(|file| (&part.source, file.as_str()))
        })
    }

    /// The sources of the checkpoint: its folder, and the tower's folder if that is separate.
    pub fn sources(&self) -> impl Iterator<Item = &S> {
        self.parts.iter().map(|part| &part.source)
    }

    /// Stored size of all tensors in bytes.
    pub fn stored_bytes(&self) -> u64 {
        let entries = self.parts.iter().flat_map(|part| part.entries.values());
        entries
            .map(|entry| bytes_of(entry.dtype, &entry.shape).unwrap_or(0))
            .sum()
    }

    /// Storage types in use, for display.
    pub fn dtypes(&self) -> Vec<String> {
        let entries = self.parts.iter().flat_map(|part| part.entries.values());
        let names: BTreeSet<String> = entries.map(|e| format!("{:?}", e.dtype)).collect();
        names.into_iter().collect()
    }

    /// The entry of `name`, and the part that contains it.
    fn entry(&self, name: &str, shape: &[usize]) -> Result<(&Part<S>, &Entry)> {
        let Some((part, entry)) = self.parts.iter().find_map(|part| part.find(name)) else {
            return Err(self.missing(name));
        };
        let file = || part.source.describe(&entry.file);
        if let Some(by) = adapted(&part.entries, name) {
            return Err(Error::checkpoint(
                file(),
                format!(
                    "tensor {name} belongs to an adapter that is not merged into it ({by} lies beside it); {MERGE}"
                ),
            ));
        }
        if let Some(by) = part.quantised(name) {
            return Err(Error::checkpoint(
                file(),
                format!(
                    "tensor {name} is quantised by another program ({by} lies beside it); {UNQUANTISED}"
                ),
            ));
        }
        if floats_of(entry.dtype).is_none() {
            return Err(Error::TensorDtype {
                name: name.to_string(),
                file: file(),
                found: format!("{:?}", entry.dtype),
            });
        }
        let padded_rows = is_vocabulary(name)
            && entry.shape.len() == shape.len()
            && entry.shape[0] >= shape[0]
            && entry.shape[1..] == shape[1..];
        if entry.shape != shape && !padded_rows {
            return Err(Error::TensorShape {
                name: name.to_string(),
                file: file(),
                found: entry.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        Ok((part, entry))
    }

    fn missing(&self, name: &str) -> Error {
        let files = self.files().map(|(source, file)| source.describe(file));
        let has_tower = self.parts.iter().any(|part| part.has_tower());
        let mut parts = self.parts.iter();
        let by = parts.find_map(|part| part.quantised(name.strip_prefix(part.prefix)?));
        let mut names = self.parts.iter().flat_map(|part| part.entries.keys());
        let adapter = names.find(|name| name.contains(".lora_A.") || name.contains(".base_layer."));
        let mut all = self.parts.iter().flat_map(|part| part.entries.keys());
        let renamed = all.find_map(|other| renamed(name, other));
        let hint = match self.nearest(name) {
            _ if by.is_some() => format!(
                "; {} is there: the weights are quantised by another program; {UNQUANTISED}",
                by.unwrap_or_default()
            ),
            _ if adapter.is_some() => {
                format!("; {} is there: {MERGE}", adapter.map_or("", String::as_str))
            }
            _ if renamed.is_some() => renamed.unwrap_or_default(),
            _ if name.starts_with(TOWER) && !has_tower => {
                "; if the vision tower lies beside the checkpoint, convert both: --vision-tower DIR"
                    .to_string()
            }
            Some(near) => format!("; the nearest name there is {near}"),
            None => String::new(),
        };
        Error::TensorMissing {
            name: name.to_string(),
            file: files.collect::<Vec<_>>().join(", "),
            hint,
        }
    }

    /// Reads some rows (first dimension) of the tensor `name` of `shape`, as f32, row-major.
    ///
    /// # Errors
    /// The errors of [`Tensors::read_f32`]; [`Error::Checkpoint`] for rows that do not exist.
    pub async fn read_rows(
        &self,
        name: &str,
        shape: &[usize],
        rows: Range<usize>,
    ) -> Result<Vec<f32>> {
        let (Part { source, .. }, entry) = self.entry(name, shape)?;
        let file = || source.describe(&entry.file);
        let within = rows.start <= rows.end && rows.end <= shape.first().copied().unwrap_or(1);
        let bytes = |rows: usize| {
            let rest = shape.get(1..).unwrap_or_default();
            let bytes = bytes_of(entry.dtype, rest)?.checked_mul(rows as u64)?;
            entry.offset.checked_add(bytes)
        };
        let (Some(first), Some(end), true) = (bytes(rows.start), bytes(rows.end), within) else {
            return Err(Error::checkpoint(
                file(),
                format!("tensor {name} of shape {shape:?} has no rows {rows:?}"),
            ));
        };
        let bytes = source.read(&entry.file, first..end).await?;
        let values = floats_of(entry.dtype).map(|dtype| dtype.floats(&bytes));
        let values = values.unwrap_or_default();
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(Error::TensorValue {
                name: name.to_string(),
                file: file(),
                index: index + (first - entry.offset) as usize * 8 / entry.dtype.bitsize(),
                value: values[index].to_string(),
            }),
        }
    }

    /// The stored name with the longest common ending with `name`, if that is long enough.
    fn nearest(&self, name: &str) -> Option<&str> {
        let shared = |other: &str| {
            other
                .bytes()
                .rev()
                .zip(name.bytes().rev())
                .take_while(|(a, b)| a == b)
                .count()
        };
        let names = self.parts.iter().flat_map(|part| part.entries.keys());
        let best = names.max_by_key(|other| shared(other))?;
        (shared(best) * 2 > name.len()).then_some(best)
    }
}

impl<S> Part<S> {
    fn find(&self, name: &str) -> Option<(&Self, &Entry)> {
        let entry = self.entries.get(name.strip_prefix(self.prefix)?)?;
        Some((self, entry))
    }

    fn quantised(&self, name: &str) -> Option<&str> {
        quantised(&self.entries, name)
    }

    fn has_tower(&self) -> bool {
        let mut names = self.entries.keys();
        !self.prefix.is_empty() || names.any(|name| name.starts_with(TOWER))
    }
}

impl<S: Source> Tensors for Checkpoint<S> {
    /// Allows more rows than requested, since some checkpoints pad the vocabulary.
    fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        self.entry(name, shape).map(|_| ())
    }

    fn check_all(&self, weights: &[Weight]) -> Result<()> {
        for weight in weights {
            self.check(&weight.name, &weight.shape)?;
        }
        for part in &self.parts {
            let here = |name: &String| format!("{}{name}", part.prefix);
            let there: Vec<String> = part.entries.keys().map(here).collect();
            if let Some((name, reason)) = unread(weights, there.iter().map(String::as_str)) {
                let entry = part.find(name).map(|(_, entry)| entry.file.as_str());
                let file = part.source.describe(entry.unwrap_or_default());
                return Err(Error::checkpoint(file, reason));
            }
        }
        Ok(())
    }

    fn stored_bytes(&self, name: &str, shape: &[usize]) -> u64 {
        let entry = self.entry(name, shape).ok();
        let bytes = entry.and_then(|(_, entry)| bytes_of(entry.dtype, shape));
        bytes.unwrap_or(0)
    }

    /// Reads the first `shape[0]` rows.
    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.read_rows(name, shape, 0..shape.first().copied().unwrap_or(1))
            .await
    }
}

/// Refuses a folder that contains both a model and an adapter, as training can leave it: without
/// the adapter the model answers as before that training.
fn refuse_adapter(source: &impl Source) -> Result<()> {
    for file in ADAPTER_FILES {
        if source.size_at_hand(file)?.is_some() {
            return Err(Error::checkpoint(
                source.describe(file),
                format!(
                    "an adapter lies beside the model, which answers as before its training without it; {MERGE}, or take it out of the folder"
                ),
            ));
        }
    }
    Ok(())
}

/// Adds to an error about a missing shard that the index names it.
pub(super) fn named_by(index: Option<&Index>, index_file: &str, error: Error) -> Error {
    match (index, error) {
        (Some(_), Error::FileMissing { file }) => Error::FileMissing {
            file: format!("{file} (a shard that {index_file} names)"),
        },
        (_, error) => error,
    }
}

fn is_vocabulary(name: &str) -> bool {
    name == "lm_head.weight" || name == EMBEDDINGS
}

/// The type, if it is supported for weights.
fn floats_of(dtype: Dtype) -> Option<manifest::Dtype> {
    match dtype {
        Dtype::F32 => Some(manifest::Dtype::F32),
        Dtype::F16 => Some(manifest::Dtype::F16),
        Dtype::BF16 => Some(manifest::Dtype::Bf16),
        _ => None,
    }
}
