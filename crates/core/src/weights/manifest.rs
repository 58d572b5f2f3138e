//! `manifest.json` of a converted model: its description, and the place of each tensor in the
//! shards.
//!
//! In: untrusted bytes. Out: a [`Manifest`] in which every piece lies inside its shard, without
//! overlaps or gaps, and every tensor has all its rows. This module must not know what the tensors
//! are for. docs/FORMAT.md describes the format.

use std::collections::{BTreeMap, BTreeSet};

use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::foreign;
use crate::quant::Quant;
use crate::spec::{Kind, Weight};

/// The manifest's file name in a model folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The value of `format`.
pub const FORMAT: &str = "inf-llava";
/// The value of `version`; readers refuse any other.
pub const VERSION: u64 = 1;
/// Size limit in bytes; a manifest of the released model has 60 kB.
pub const MANIFEST_CAP: u64 = 16 << 20;
/// Size limit in bytes of a shard or of another file of the model: the amount that the browser
/// holds at once.
pub const SHARD_BYTES: u64 = 64 << 20;
/// Each piece begins at a multiple of this many bytes, after zero padding.
pub const ALIGNMENT: u64 = 16;
/// Most shards: 256 GiB.
const SHARDS_CAP: usize = 4096;
/// Most tensors; the released model has 700.
const TENSORS_CAP: usize = 1 << 16;
/// Most files besides the shards.
const FILES_CAP: usize = 64;
/// Most dimensions of a tensor.
const DIMENSIONS_CAP: usize = 4;
/// Longest name of a file or tensor, in bytes.
const NAME_CAP: usize = 255;

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32 bits.
    F32,
    /// 16 bits, IEEE.
    F16,
    /// 16 bits, the upper half of an f32.
    Bf16,
    /// Blocks of 4 bits.
    Q4,
    /// Blocks of 8 bits.
    Q8,
}

impl Dtype {
    /// Its name in the manifest.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
            Dtype::Q4 => Quant::Q4.name(),
            Dtype::Q8 => Quant::Q8.name(),
        }
    }

    /// The kind of blocks, if it is quantised.
    pub fn quant(self) -> Option<Quant> {
        match self {
            Dtype::Q4 => Some(Quant::Q4),
            Dtype::Q8 => Some(Quant::Q8),
            _ => None,
        }
    }

    /// Decodes `bytes` of a type without blocks.
    pub fn floats(self, bytes: &[u8]) -> Vec<f32> {
        let halves = || {
            let pairs = bytes.as_chunks().0.iter();
            pairs.map(|&pair| u16::from_le_bytes(pair))
        };
        match self {
            Dtype::F16 => halves().map(|bits| f16::from_bits(bits).to_f32()).collect(),
            Dtype::Bf16 => halves()
                .map(|bits| bf16::from_bits(bits).to_f32())
                .collect(),
            _ => {
                let words = bytes.as_chunks().0.iter();
                words.map(|&word| f32::from_le_bytes(word)).collect()
            }
        }
    }

    /// Size in bytes of `rows` rows of a tensor whose other dimensions are `rest`.
    ///
    /// # Errors
    /// [`Error::Quantised`] if a row is not a multiple of the block size, or on overflow.
    pub fn bytes(self, rows: usize, rest: &[usize]) -> Result<u64> {
        let too_large = || Error::Quantised {
            reason: format!("{rows} rows of {rest:?} in {}: too large", self.name()),
        };
        if let Some(quant) = self.quant() {
            let &[columns] = rest else {
                return Err(Error::Quantised {
                    reason: format!("{} is for matrices, not rows of {rest:?}", self.name()),
                });
            };
            return Ok(quant.layout(rows, columns)?.bytes() as u64);
        }
        let size = if self == Dtype::F32 { 4 } else { 2 };
        let mut dimensions = rest.iter().chain([&rows]);
        dimensions
            .try_fold(size, |bytes: u64, &d| bytes.checked_mul(d as u64))
            .ok_or_else(too_large)
    }
}

/// A file of the model, with its size and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashedFile {
    /// A plain file name in the manifest's folder.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// Consecutive rows of a tensor that are stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Index of the shard.
    pub shard: usize,
    /// Offset of its first byte in the shard.
    pub offset: u64,
    /// Number of rows (first dimension); the pieces of a tensor are consecutive.
    pub rows: usize,
}

/// A stored tensor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub dtype: Dtype,
    /// Its pieces, in the order of the rows.
    pub pieces: Vec<Piece>,
}

/// A converted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub version: u64,
    /// The model's display name.
    pub name: String,
    /// Revision of the checkpoint that it was converted from.
    pub revision: String,
    /// The licence of the weights.
    pub license: String,
    /// The contents of config.json.
    pub config: Value,
    /// The contents of generation_config.json.
    pub generation: Value,
    /// Name of the conversation's template.
    pub prompt: String,
    /// Tokenizer, licence, model card and the like.
    pub files: Vec<HashedFile>,
    /// The shards.
    pub shards: Vec<HashedFile>,
    /// The tensors by their checkpoint names.
    pub tensors: BTreeMap<String, Stored>,
}

impl Manifest {
    /// Parses and checks a manifest. `file` is its path or URL, for messages.
    ///
    /// # Errors
    /// [`Error::Manifest`], which says what is wrong with which shard or tensor.
    pub fn from_json(file: &str, json: &[u8]) -> Result<Self> {
        let bad = |reason: String| Error::Manifest {
            file: file.to_string(),
            reason,
        };
        // The version first, since other versions may have other fields.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u64,
        }
        let head: Head = foreign::json(json).map_err(bad)?;
        if head.format != FORMAT {
            return Err(bad(format!(
                "its format is {:?}, not {FORMAT:?}",
                head.format
            )));
        }
        if head.version != VERSION {
            return Err(bad(format!(
                "its format has version {}, this program knows {VERSION}; update the program, or convert the model again",
                head.version
            )));
        }
        let manifest: Manifest = foreign::json(json).map_err(bad)?;
        manifest.check().map_err(bad)?;
        Ok(manifest)
    }

    /// Whether `json` is a manifest of this format, in any version.
    pub fn is_ours(json: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        foreign::json(json).is_ok_and(|head: Head| head.format == FORMAT)
    }

    /// The manifest as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Size of all shards in bytes.
    pub fn shard_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }

    /// Bytes that `weight` takes on a device, in all and in its largest buffer: a quantised matrix
    /// its stored size, embeddings nothing, anything else its size in f32.
    pub fn resident_bytes(&self, weight: &Weight) -> (u64, u64) {
        if weight.kind == Kind::Embeddings {
            return (0, 0);
        }
        let stored = self.tensors.get(&weight.name);
        let Some(stored) = stored.filter(|stored| stored.dtype.quant().is_some()) else {
            return as_floats(&weight.shape);
        };
        let rest = stored.shape.get(1..).unwrap_or_default();
        let pieces = stored.pieces.iter();
        let bytes = pieces.map(|piece| stored.dtype.bytes(piece.rows, rest).unwrap_or(0));
        let bytes: Vec<u64> = bytes.collect();
        (bytes.iter().sum(), bytes.into_iter().max().unwrap_or(0))
    }

    fn check(&self) -> Result<(), String> {
        let within = |what: &str, found: usize, cap: usize| match found <= cap {
            true => Ok(()),
            false => Err(format!("{found} {what}; at most {cap} are allowed")),
        };
        within("shards", self.shards.len(), SHARDS_CAP)?;
        within("files", self.files.len(), FILES_CAP)?;
        within("tensors", self.tensors.len(), TENSORS_CAP)?;
        let mut names = BTreeSet::from([MANIFEST_FILE]);
        for file in self.shards.iter().chain(&self.files) {
            check_file(file)?;
            if !names.insert(&file.file) {
                return Err(format!("file {:?} is named twice", file.file));
            }
        }
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); self.shards.len()];
        for (name, stored) in &self.tensors {
            within("characters in a tensor's name", name.len(), NAME_CAP)?;
            let in_tensor = |reason: String| format!("tensor {name}: {reason}");
            for (shard, span) in stored.spans(name).map_err(in_tensor)? {
                let of_shard = spans.get_mut(shard).ok_or_else(|| {
                    let shards = self.shards.len();
                    in_tensor(format!("lies in shard {shard}, of {shards}"))
                })?;
                of_shard.push(span);
            }
        }
        for (shard, spans) in self.shards.iter().zip(spans) {
            check_shard(shard, spans)?;
        }
        Ok(())
    }
}

/// Bytes of a tensor of `shape` in f32, in all and in its only buffer.
pub fn as_floats(shape: &[usize]) -> (u64, u64) {
    let bytes = shape.iter().map(|&d| d as u64).product::<u64>() * size_of::<f32>() as u64;
    (bytes, bytes)
}

/// The bytes of a piece in a shard.
#[derive(Clone)]
struct Span {
    start: u64,
    end: u64,
    name: String,
}

impl Stored {
    /// The places of the tensor's pieces: shard, and bytes in it.
    fn spans(&self, name: &str) -> Result<Vec<(usize, Span)>, String> {
        let shape = &self.shape;
        let (&rows, rest) = shape.split_first().ok_or("it has no shape")?;
        if shape.len() > DIMENSIONS_CAP || shape.contains(&0) {
            return Err(format!("shape {shape:?} cannot be"));
        }
        let mut left = rows;
        let mut spans = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            left = match left.checked_sub(piece.rows) {
                Some(left) if piece.rows > 0 => left,
                _ => return Err(format!("its pieces do not add up to {rows} rows")),
            };
            let bytes = self
                .dtype
                .bytes(piece.rows, rest)
                .map_err(|e| e.to_string())?;
            let end = piece
                .offset
                .checked_add(bytes)
                .ok_or("a piece is too large")?;
            if !piece.offset.is_multiple_of(ALIGNMENT) {
                return Err(format!(
                    "a piece begins at byte {}, which is no multiple of {ALIGNMENT}",
                    piece.offset
                ));
            }
            let span = Span {
                start: piece.offset,
                end,
                name: name.to_string(),
            };
            spans.push((piece.shard, span));
        }
        match left {
            0 => Ok(spans),
            _ => Err(format!("its pieces do not add up to {rows} rows")),
        }
    }
}

/// Checks that the pieces fill the shard without gaps or overlaps.
fn check_shard(shard: &HashedFile, mut spans: Vec<Span>) -> Result<(), String> {
    spans.sort_by_key(|span| span.start);
    let mut end = 0u64;
    let mut last = "its beginning";
    for span in &spans {
        if span.start < end {
            return Err(format!(
                "shard {}: {} begins at byte {}, inside {last}, which ends at {end}",
                shard.file, span.name, span.start
            ));
        }
        if span.start - end >= ALIGNMENT {
            return Err(format!(
                "shard {}: nothing lies between {last}, which ends at byte {end}, and {} at {}",
                shard.file, span.name, span.start
            ));
        }
        (end, last) = (span.end, &span.name);
    }
    if end != shard.bytes {
        return Err(format!(
            "shard {}: has {} bytes, its tensors end at {end}",
            shard.file, shard.bytes
        ));
    }
    Ok(())
}

fn check_file(file: &HashedFile) -> Result<(), String> {
    if !is_plain_name(&file.file) {
        return Err(format!("{:?} is not a plain file name", file.file));
    }
    if file.bytes > SHARD_BYTES {
        return Err(format!(
            "{} has {} bytes; at most {SHARD_BYTES} are allowed",
            file.file, file.bytes
        ));
    }
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if file.sha256.len() != 64 || !file.sha256.bytes().all(is_digit) {
        return Err(format!(
            "{}: sha256 must be 64 lower-case hexadecimal digits",
            file.file
        ));
    }
    Ok(())
}

/// Whether a name stays in its folder on every system.
pub fn is_plain_name(name: &str) -> bool {
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    starts_well && name.len() <= NAME_CAP && name.bytes().all(plain)
}
