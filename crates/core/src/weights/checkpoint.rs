//! A checkpoint in the Hugging Face layout: `model.safetensors`, or shards and their index. Opening
//! it reads and checks the headers; tensors are read one by one on request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use safetensors::Dtype;

use crate::error::{Error, Result};
use crate::spec::{EMBEDDINGS, HEAD, Weight};
use crate::weights::header::{Entry, Index, bytes_of, read_header};
use crate::weights::manifest;
use crate::weights::others::{MERGE, UNQUANTISED, adapted, by_name, quantised, renamed};
use crate::weights::source::Source;
use crate::weights::spelling::{canonical, in_file_of};
use crate::weights::tensors::Tensors;
use crate::weights::unread::{told, unread};

pub(super) const INDEX_FILE: &str = "model.safetensors.index.json";
pub(super) const SINGLE_FILE: &str = "model.safetensors";
/// What `torch.save` wrote, whole or in shards.
pub(super) const TORCH_FILES: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
/// Files that peft and LLaVA's LoRA training write.
const ADAPTER_FILES: [&str; 4] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
    "non_lora_trainables.bin",
];
/// Prefix of the vision tower's names; CLIP's own checkpoint lacks it.
const TOWER: &str = "model.vision_tower.vision_tower.";

/// The tensors of a checkpoint by name, and the source to read them from. Tensors are asked for by the names of `spec`,
/// or in any spelling of them, however the files spell them ([`canonical`]); errors name them as the files do.
pub struct Checkpoint<S> {
    parts: Vec<Part<S>>,
}

/// The names of a checkpoint's tensors as in `spec`, by its index or the header of its only file; none if there is neither.
///
/// # Errors
/// As [`Checkpoint::open`].
pub async fn tensor_names(source: &impl Source) -> Result<Option<BTreeSet<String>>> {
    if let Some(index) = Index::read(source, INDEX_FILE).await? {
        let names = index.weight_map.keys();
        return Ok(Some(
            names.map(|name| canonical(name).into_owned()).collect(),
        ));
    }
    if source.size(SINGLE_FILE).await?.is_none() {
        return Ok(None);
    }
    let header = read_header(source, SINGLE_FILE).await?;
    let names = header
        .iter()
        .map(|entry| canonical(&entry.name).into_owned());
    Ok(Some(names.collect()))
}

/// Where rows of a tensor lie.
pub(super) struct Place<'a, S> {
    pub source: &'a S,
    /// The number of the folder.
    part: usize,
    entry: &'a Entry,
    pub bytes: Range<u64>,
}

impl<'a, S> Place<'a, S> {
    pub fn file(&self) -> &'a str {
        &self.entry.file
    }

    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.part, self.file()) == (other.part, other.file())
    }

    /// What places are sorted by, so that files are read from their beginning to their end.
    pub fn order(&self) -> (usize, &'a str, u64) {
        (self.part, self.file(), self.bytes.start)
    }
}

/// One of the checkpoint's folders.
struct Part<S> {
    source: S,
    /// By the names of `spec`, whatever the folder calls them.
    entries: BTreeMap<String, Entry>,
    files: Vec<String>,
}

impl<S: Source> Checkpoint<S> {
    /// File names, one of which every checkpoint has.
    pub const FILES: [&str; 2] = [INDEX_FILE, SINGLE_FILE];

    /// Reads the index, if there is one, and every header.
    ///
    /// # Errors
    /// [`Error::FileMissing`]; [`Error::Checkpoint`], also for a tensor that is there in two spellings; the source's
    /// errors.
    pub async fn open(source: S) -> Result<Self> {
        let index = Index::read(&source, INDEX_FILE).await?;
        let mut headers = Vec::new();
        for file in Index::files(index.as_ref(), SINGLE_FILE) {
            let header = match read_header(&source, &file).await {
                Err(error @ Error::FileMissing { .. }) if index.is_none() => {
                    return Err(saved_by_torch(&source).await.unwrap_or(error));
                }
                other => other,
            };
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
        headers: Vec<(String, Vec<Entry>)>,
    ) -> Result<Self> {
        let files = headers.iter().map(|(file, _)| file.clone()).collect();
        let entries = headers.into_iter().flat_map(|(_, entries)| entries);
        let is_meant = |entry: &Entry| match &index {
            None => true,
            Some(index) => index.weight_map.get(&entry.name) == Some(&entry.file),
        };
        let entries: Vec<Entry> = entries.filter(is_meant).collect();
        let there: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut wanted = index.iter().flat_map(|index| &index.weight_map);
        if let Some((name, file)) = wanted.find(|(name, _)| !there.contains(name.as_str())) {
            return Err(Error::TensorMissing {
                name: name.clone(),
                file: source.describe(file),
                hint: format!(
                    ", where {index_file} says it is; the shard is from another checkpoint"
                ),
            });
        }
        let entries = by_name(entries)
            .map_err(|(file, reason)| Error::checkpoint(source.describe(&file), reason))?;
        let part = Part {
            source,
            entries,
            files,
        };
        Ok(Checkpoint { parts: vec![part] })
    }

    /// Adds a separate vision tower in the layout of CLIP's own checkpoint, for tensors missing
    /// here.
    pub fn with_tower(mut self, tower: Checkpoint<S>) -> Self {
        let named = |entry: Entry| {
            let name = format!("{TOWER}{}", entry.name);
            (canonical(&name).into_owned(), entry)
        };
        let parts = tower.parts.into_iter();
        self.parts.extend(parts.map(|part| Part {
            entries: part.entries.into_values().map(named).collect(),
            ..part
        }));
        self
    }

    /// The tensors' names as in `spec`, of all parts.
    pub fn names(&self) -> BTreeSet<String> {
        let names = self.parts.iter().flat_map(|part| part.entries.keys());
        names.cloned().collect()
    }

    /// All tensors.
    fn entries(&self) -> impl Iterator<Item = &Entry> + Clone {
        self.parts.iter().flat_map(|part| part.entries.values())
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
        self.entries()
            .map(|entry| bytes_of(entry.dtype, &entry.shape).unwrap_or(0))
            .sum()
    }

    /// Storage types in use, for display.
    pub fn dtypes(&self) -> Vec<String> {
        let names: BTreeSet<String> = self.entries().map(|e| format!("{:?}", e.dtype)).collect();
        names.into_iter().collect()
    }

    /// The entry of `name`, and the part that contains it.
    fn entry(&self, name: &str, shape: &[usize]) -> Result<(&Part<S>, &Entry)> {
        let name = &*canonical(name);
        let Some((part, entry)) = self.parts.iter().find_map(|part| part.find(name)) else {
            return Err(self.missing(name));
        };
        let (file, called) = (|| part.source.describe(&entry.file), &entry.name);
        if let Some(by) = adapted(&part.entries, name) {
            return Err(Error::checkpoint(
                file(),
                format!(
                    "tensor {called} belongs to an adapter that is not merged into it ({by} lies beside it); {MERGE}"
                ),
            ));
        }
        if let Some(by) = quantised(&part.entries, name) {
            return Err(Error::checkpoint(
                file(),
                format!(
                    "tensor {called} is quantised by another program ({by} lies beside it); {UNQUANTISED}"
                ),
            ));
        }
        if floats_of(entry.dtype).is_none() {
            return Err(Error::TensorDtype {
                name: called.clone(),
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
                name: called.clone(),
                file: file(),
                found: entry.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        Ok((part, entry))
    }

    fn missing(&self, name: &str) -> Error {
        let files = self.files().map(|(source, file)| source.describe(file));
        let mut names = self.parts.iter().flat_map(|part| &part.entries);
        let has_tower = names.clone().any(|(name, _)| name.starts_with(TOWER));
        let mut parts = self.parts.iter();
        let by = parts.find_map(|part| quantised(&part.entries, name));
        let called = self.entries().map(|entry| entry.name.as_str());
        let is_adapter = |name: &&str| name.contains(".lora_A.") || name.contains(".base_layer.");
        let adapter = called.clone().find(is_adapter);
        let renamed = names.find_map(|(other, entry)| renamed(name, other, &entry.name));
        let hint = match self.nearest(name) {
            _ if by.is_some() => format!(
                "; {} is there: the weights are quantised by another program; {UNQUANTISED}",
                by.unwrap_or_default()
            ),
            _ if adapter.is_some() => {
                format!("; {} is there: {MERGE}", adapter.unwrap_or_default())
            }
            _ if renamed.is_some() => renamed.unwrap_or_default(),
            _ if name.starts_with(TOWER) && !has_tower => {
                "; if the vision tower lies beside the checkpoint, convert both: --vision-tower DIR"
                    .to_string()
            }
            Some(near) => format!("; the nearest name there is {near}"),
            None => String::new(),
        };
        let spelled = in_file_of(name, called);
        let spelled = spelled.map(|spelled| format!("; it would be called {spelled} there"));
        Error::TensorMissing {
            name: name.to_string(),
            file: files.collect::<Vec<_>>().join(", "),
            hint: spelled.unwrap_or_default() + &hint,
        }
    }

    /// Where some rows of the tensor `name` of `shape` lie.
    ///
    /// # Errors
    /// The errors of [`Tensors::check`]; [`Error::Checkpoint`] for rows that do not exist.
    pub(super) fn place(
        &self,
        name: &str,
        shape: &[usize],
        rows: Range<usize>,
    ) -> Result<Place<'_, S>> {
        let (part, entry) = self.entry(name, shape)?;
        let within = rows.start <= rows.end && rows.end <= shape.first().copied().unwrap_or(1);
        let bytes = |rows: usize| {
            let rest = shape.get(1..).unwrap_or_default();
            let bytes = bytes_of(entry.dtype, rest)?.checked_mul(rows as u64)?;
            entry.offset.checked_add(bytes)
        };
        let (Some(start), Some(end), true) = (bytes(rows.start), bytes(rows.end), within) else {
            return Err(Error::checkpoint(
                part.source.describe(&entry.file),
                format!(
                    "tensor {} of shape {shape:?} has no rows {rows:?}",
                    entry.name
                ),
            ));
        };
        let number = self
            .parts
            .iter()
            .position(|other| std::ptr::eq(other, part));
        Ok(Place {
            source: &part.source,
            part: number.unwrap_or_default(),
            entry,
            bytes: start..end,
        })
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
        let place = self.place(name, shape, rows)?;
        let Place {
            source,
            entry,
            bytes: ref range,
            ..
        } = place;
        let bytes = source.read(&entry.file, range.clone()).await?;
        let values = floats_of(entry.dtype).map(|dtype| dtype.floats(&bytes));
        let values = values.unwrap_or_default();
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(Error::TensorValue {
                name: entry.name.clone(),
                file: source.describe(&entry.file),
                index: index + (range.start - entry.offset) as usize * 8 / entry.dtype.bitsize(),
                value: values[index].to_string(),
            }),
        }
    }

    /// The tensor whose name has the longest common ending with `name`, if that is long enough; as the file calls it.
    fn nearest(&self, name: &str) -> Option<&str> {
        let shared = |other: &str| {
            other
                .bytes()
                .rev()
                .zip(name.bytes().rev())
                .take_while(|(a, b)| a == b)
                .count()
        };
        let names = self.parts.iter().flat_map(|part| &part.entries);
        let (best, entry) = names.max_by_key(|(other, _)| shared(other))?;
        (shared(best) * 2 > name.len()).then_some(entry.name.as_str())
    }
}

impl<S> Part<S> {
    fn find(&self, name: &str) -> Option<(&Self, &Entry)> {
        Some((self, self.entries.get(name)?))
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
            let there = part.entries.keys().map(String::as_str);
            if let Some((name, shows)) = unread(weights, there) {
                let entry = part.entries.get(name);
                let called = entry.map_or(name, |entry| entry.name.as_str());
                let file = entry.map(|entry| entry.file.as_str());
                return Err(Error::checkpoint(
                    part.source.describe(file.unwrap_or_default()),
                    told(called, &shows),
                ));
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

/// The error if `source`, which has no safetensors, has what `torch.save` wrote. A folder on disk tells so by itself; a
/// server is asked here.
async fn saved_by_torch(source: &impl Source) -> Option<Error> {
    for file in TORCH_FILES {
        if let Ok(Some(_)) = source.size(file).await {
            return Some(Error::checkpoint(
                source.describe(file),
                format!(
                    "the model has no {SINGLE_FILE} but this file, which torch.save wrote and which is read by one command only; convert it with that (inf-llava convert MODEL FOLDER), and give the folder that it makes"
                ),
            ));
        }
    }
    None
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
    name == HEAD || name == EMBEDDINGS
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
