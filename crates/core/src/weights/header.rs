//! Reads the index of a checkpoint and the headers of its files, which are untrusted.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::foreign;
use crate::weights::manifest::is_plain_name;
use crate::weights::source::{Source, read_file};

/// Size limit of a header or index in bytes; the released index has 60 kB.
const HEADER_CAP: u64 = 32 << 20;
/// Most files of a checkpoint.
const SHARD_CAP: usize = 1024;

/// Type, shape and place of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Its name in the file.
    pub name: String,
    pub file: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Offset of its first byte from the start of the file.
    pub offset: u64,
}

/// Which file contains which tensor.
#[derive(Deserialize)]
pub(super) struct Index {
    pub weight_map: BTreeMap<String, String>,
}

impl Index {
    /// Reads the index `file`, if it exists.
    pub async fn read(source: &impl Source, file: &str) -> Result<Option<Self>> {
        let json = read_file(source, file, HEADER_CAP).await?;
        json.map(|json| parse_index(&source.describe(file), &json))
            .transpose()
    }

    /// The files in the index, each once; without an index the file `single`.
    pub fn files(index: Option<&Self>, single: &str) -> Vec<String> {
        match index {
            None => vec![single.to_string()],
            Some(index) => {
                let files: BTreeSet<&String> = index.weight_map.values().collect();
                files.into_iter().cloned().collect()
            }
        }
    }
}

/// Parses an index and checks the file names, so that no shard is outside the folder.
fn parse_index(file: &str, json: &[u8]) -> Result<Index> {
    let index: Index = foreign::json(json).map_err(|reason| Error::checkpoint(file, reason))?;
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

/// Reads the header of a safetensors file: names and places of tensors. The `safetensors` crate
/// checks that they are contiguous, without gaps, overlaps or overflow, and match their shapes.
pub(super) async fn read_header(source: &impl Source, file: &str) -> Result<Vec<Entry>> {
    let path = source.describe(file);
    let bad = |reason: String| Error::checkpoint(&path, reason);
    let size = source
        .size(file)
        .await?
        .ok_or_else(|| source.missing(file))?;
    let head = source
        .read(file, 0..size.min(foreign::HEAD_BYTES as u64))
        .await?;
    if let Some(reason) = foreign::told(&head, head.len() as u64 == size) {
        return Err(bad(format!(
            "its {size} bytes are no safetensors file: {reason}"
        )));
    }
    let no_file = |head: &[u8]| {
        let text = foreign::says(head).map_or(String::new(), |text| {
            format!(" but text that begins with {text}, as hosts answer for what they do not give; look at the address, and download it again")
        });
        format!("its {size} bytes are no safetensors file{text}")
    };
    if size < 8 {
        return Err(bad(no_file(&head)));
    }
    let length = source.read(file, 0..8).await?;
    let length = length
        .try_into()
        .map(u64::from_le_bytes)
        .map_err(|_| bad("short read".into()))?;
    if length > HEADER_CAP || length > size - 8 {
        if foreign::says(&head).is_some() {
            return Err(bad(no_file(&head)));
        }
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
        .map(|(name, info)| Entry {
            name,
            file: file.to_string(),
            dtype: info.dtype,
            shape: info.shape.clone(),
            offset: 8 + length + info.data_offsets.0 as u64,
        })
        .collect())
}

impl Entry {
    /// Whether both are the same bytes, read in the same way.
    pub fn is_same_place(&self, other: &Entry) -> bool {
        let of = |entry: &Entry| (entry.dtype, entry.offset);
        of(self) == of(other) && self.file == other.file && self.shape == other.shape
    }
}

/// Size of a tensor in bytes; `None` on overflow.
pub(super) fn bytes_of(dtype: Dtype, shape: &[usize]) -> Option<u64> {
    let bits = shape
        .iter()
        .try_fold(dtype.bitsize() as u64, |n, &d| n.checked_mul(d as u64))?;
    Some(bits / 8)
}
