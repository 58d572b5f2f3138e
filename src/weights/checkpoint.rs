//! A checkpoint in the Hugging Face layout: `model.safetensors`, or shards and their index. Reads
//! and checks the headers at once, the tensors one by one as they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::weights::Tensors;
use crate::weights::manifest::is_plain_name;
use crate::weights::source::{Source, read_file};

const INDEX_FILE: &str = "model.safetensors.index.json";
const SINGLE_FILE: &str = "model.safetensors";
/// A header or index larger than this is no checkpoint's; the released index has 60 kB.
const HEADER_CAP: u64 = 32 << 20;
/// Most files a checkpoint may be cut into.
const SHARD_CAP: usize = 1024;

/// Where a tensor lies.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    file: String,
    dtype: Dtype,
    shape: Vec<usize>,
    /// Of its first byte, from the start of the file.
    offset: u64,
}

/// The tensors of a checkpoint by name, and where to read them.
pub struct Checkpoint<S> {
    source: S,
    entries: BTreeMap<String, Entry>,
    files: Vec<String>,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl<S: Source> Checkpoint<S> {
    /// Reads the index, if there is one, and every header.
    ///
    /// # Errors
    /// [`Error::FileMissing`], [`Error::Checkpoint`], and what the source fails with.
    pub async fn open(source: S) -> Result<Self> {
        let index = match read_file(&source, INDEX_FILE, HEADER_CAP).await? {
            Some(json) => Some(parse_index(&source.describe(INDEX_FILE), &json)?),
            None => None,
        };
        let files: Vec<String> = match &index {
            Some(index) => index
                .weight_map
                .values()
                .cloned()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            None => vec![SINGLE_FILE.to_string()],
        };
        let mut entries = BTreeMap::new();
        for file in &files {
            for (name, entry) in read_header(&source, file).await? {
                // With an index, it alone says which file a tensor is taken from.
                if index
                    .as_ref()
                    .is_none_or(|index| index.weight_map.get(&name) == Some(file))
                {
                    entries.insert(name, entry);
                }
            }
        }
        if let Some(index) = &index
            && let Some((name, file)) = index
                .weight_map
                .iter()
                .find(|(name, _)| !entries.contains_key(*name))
        {
            return Err(Error::TensorMissing {
                name: name.clone(),
                file: source.describe(file),
                hint: format!(
                    ", where {INDEX_FILE} says it is; the shard is from another checkpoint"
                ),
            });
        }
        Ok(Checkpoint {
            source,
            entries,
            files,
        })
    }

    /// The files that hold the tensors.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Where they are read from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Bytes of all tensors as stored.
    pub fn stored_bytes(&self) -> u64 {
        self.entries
            .values()
            .map(|entry| bytes_of(entry.dtype, &entry.shape).unwrap_or(0))
            .sum()
    }

    /// Storage types in use, for display.
    pub fn dtypes(&self) -> Vec<String> {
        let names: BTreeSet<String> = self
            .entries
            .values()
            .map(|e| format!("{:?}", e.dtype))
            .collect();
        names.into_iter().collect()
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&Entry> {
        let Some(entry) = self.entries.get(name) else {
            return Err(Error::TensorMissing {
                name: name.to_string(),
                file: self
                    .files
                    .iter()
                    .map(|f| self.source.describe(f))
                    .collect::<Vec<_>>()
                    .join(", "),
                hint: self
                    .nearest(name)
                    .map(|near| format!("; the nearest name there is {near}"))
                    .unwrap_or_default(),
            });
        };
        let padded_rows = is_vocabulary(name)
            && entry.shape.len() == shape.len()
            && entry.shape[0] >= shape[0]
            && entry.shape[1..] == shape[1..];
        if entry.shape != shape && !padded_rows {
            return Err(Error::TensorShape {
                name: name.to_string(),
                file: self.source.describe(&entry.file),
                found: entry.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        match entry.dtype {
            Dtype::F32 | Dtype::F16 | Dtype::BF16 => Ok(entry),
            other => Err(Error::TensorDtype {
                name: name.to_string(),
                file: self.source.describe(&entry.file),
                found: format!("{other:?}"),
            }),
        }
    }

    /// Some rows (first dimension) of the tensor `name` of `shape`, as f32, row-major.
    ///
    /// # Errors
    /// As [`Tensors::read_f32`]; [`Error::Checkpoint`] for rows that it does not have.
    pub async fn read_rows(
        &self,
        name: &str,
        shape: &[usize],
        rows: Range<usize>,
    ) -> Result<Vec<f32>> {
        let entry = self.entry(name, shape)?;
        let file = || self.source.describe(&entry.file);
        let within = rows.start <= rows.end && rows.end <= shape.first().copied().unwrap_or(1);
        let bytes = |rows: usize| {
            let rest = shape.get(1..).unwrap_or_default();
            bytes_of(entry.dtype, rest)?.checked_mul(rows as u64)
        };
        let (Some(first), Some(end), true) = (bytes(rows.start), bytes(rows.end), within) else {
            return Err(Error::checkpoint(
                file(),
                format!("tensor {name} of shape {shape:?} has no rows {rows:?}"),
            ));
        };
        let bytes = self
            .source
            .read(&entry.file, entry.offset + first..entry.offset + end)
            .await?;
        let values: Vec<f32> = match entry.dtype {
            Dtype::F16 => halves(&bytes)
                .map(|bits| half::f16::from_bits(bits).to_f32())
                .collect(),
            Dtype::BF16 => halves(&bytes)
                .map(|bits| half::bf16::from_bits(bits).to_f32())
                .collect(),
            _ => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&chunk| f32::from_le_bytes(chunk))
                .collect(),
        };
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(index) => Err(Error::TensorValue {
                name: name.to_string(),
                file: file(),
                index: index + first as usize * 8 / entry.dtype.bitsize(),
                value: values[index].to_string(),
            }),
        }
    }

    /// The name there that shares the longest end with `name`, if a good part of it.
    fn nearest(&self, name: &str) -> Option<&str> {
        let shared = |other: &str| {
            other
                .bytes()
                .rev()
                .zip(name.bytes().rev())
                .take_while(|(a, b)| a == b)
                .count()
        };
        let best = self.entries.keys().max_by_key(|other| shared(other))?;
        (shared(best) * 2 > name.len()).then_some(best)
    }
}

impl<S: Source> Tensors for Checkpoint<S> {
    /// More rows than asked for are allowed: some checkpoints pad the vocabulary.
    fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        self.entry(name, shape).map(|_| ())
    }

    /// The first `shape[0]` rows.
    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.read_rows(name, shape, 0..shape.first().copied().unwrap_or(1))
            .await
    }
}

fn is_vocabulary(name: &str) -> bool {
    name == "lm_head.weight" || name == "model.embed_tokens.weight"
}

fn halves(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&chunk| u16::from_le_bytes(chunk))
}

fn bytes_of(dtype: Dtype, shape: &[usize]) -> Option<u64> {
    let bits = shape
        .iter()
        .try_fold(dtype.bitsize() as u64, |n, &d| n.checked_mul(d as u64))?;
    Some(bits / 8)
}

/// Checks names, so that no shard can lie outside the folder.
fn parse_index(file: &str, json: &[u8]) -> Result<Index> {
    let index: Index = serde_json::from_slice(json).map_err(|e| Error::checkpoint(file, e))?;
    let shards: BTreeSet<&String> = index.weight_map.values().collect();
    if shards.is_empty() || shards.len() > SHARD_CAP {
        return Err(Error::checkpoint(
            file,
            format!(
                "names {} shards; 1 to {SHARD_CAP} are expected",
                shards.len()
            ),
        ));
    }
    match shards.iter().find(|name| !is_plain_name(name)) {
        Some(name) => Err(Error::checkpoint(
            file,
            format!("shard name {name:?} is not a plain file name"),
        )),
        None => Ok(index),
    }
}

/// The header of a safetensors file: name -> where it lies. The `safetensors` crate checks that the
/// tensors follow one another without hole, overlap or overflow and fit their shapes.
async fn read_header(source: &impl Source, file: &str) -> Result<Vec<(String, Entry)>> {
    let path = source.describe(file);
    let bad = |reason: String| Error::checkpoint(&path, reason);
    let size = source
        .size(file)
        .await?
        .ok_or_else(|| Error::FileMissing { file: path.clone() })?;
    if size < 8 {
        return Err(bad(format!("{size} bytes are no safetensors file")));
    }
    let length = source.read(file, 0..8).await?;
    let length = length
        .try_into()
        .map(u64::from_le_bytes)
        .map_err(|_| bad("short read".into()))?;
    if length > HEADER_CAP || length > size - 8 {
        return Err(bad(format!(
            "its first 8 bytes say that the header has {length} bytes, the file has {size}; this is no safetensors file, or a broken download"
        )));
    }
    let json = source.read(file, 8..8 + length).await?;
    let metadata: Metadata =
        serde_json::from_slice(&json).map_err(|e| bad(format!("broken header: {e}")))?;
    let needed = (8 + length).saturating_add(metadata.data_len() as u64);
    if needed != size {
        return Err(bad(format!(
            "the header describes {needed} bytes, the file has {size}; download it again"
        )));
    }
    Ok(metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let entry = Entry {
                file: file.to_string(),
                dtype: info.dtype,
                shape: info.shape.clone(),
                offset: 8 + length + info.data_offsets.0 as u64,
            };
            (name, entry)
        })
        .collect())
}
