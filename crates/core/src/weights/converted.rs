//! A converted model (docs/FORMAT.md). Opening it reads the manifest; tensors are read one by one
//! on request.

use bytes::Bytes;

use super::manifest::{HashedFile, MANIFEST_CAP, MANIFEST_FILE, Manifest, Piece, Stored};
use super::source::{Source, read_file};
use super::stored_rows::StoredRows;
use super::unread::{told, unread};
use crate::config::CONFIG_FILE;
use crate::error::{Error, Result};
use crate::quant::Packed;
use crate::quant::Quant;
use crate::spec::Weight;
use crate::weights::tensors::Tensors;

/// Reads the manifest; `None` if there is none.
///
/// # Errors
/// The errors of [`find_manifest`]; [`Error::Manifest`].
pub async fn read_manifest(source: &impl Source) -> Result<Option<Manifest>> {
    let json = find_manifest(source).await?;
    json.map(|json| Manifest::from_json(&source.describe(MANIFEST_FILE), &json))
        .transpose()
}

/// The bytes of a converted model's manifest; `None` if there is none. A manifest takes precedence
/// over a config.json beside it. Many web sites have a manifest.json of another kind; then a
/// config.json takes precedence.
///
/// # Errors
/// The source's errors.
pub async fn find_manifest(source: &impl Source) -> Result<Option<Vec<u8>>> {
    let Some(json) = read_file(source, MANIFEST_FILE, MANIFEST_CAP).await? else {
        return Ok(None);
    };
    let is_other = !Manifest::is_ours(&json) && source.size(CONFIG_FILE).await?.is_some();
    Ok((!is_other).then_some(json))
}

/// The tensors of a converted model by name, and the source to read them from.
pub struct Converted<S> {
    source: S,
    manifest: Manifest,
}

impl<S: Source> Converted<S> {
    /// The model that `manifest`, read from `source`, describes. Missing or truncated shards are
    /// detected when they are read.
    ///
    /// # Errors
    /// [`Error::FileAccess`] if a shard is longer than the manifest says, and therefore belongs to
    /// another model.
    pub fn new(source: S, manifest: Manifest) -> Result<Self> {
        for shard in &manifest.shards {
            let found = source.size_at_hand(&shard.file)?;
            if let Some(found) = found.filter(|&found| found > shard.bytes) {
                return Err(Error::FileAccess {
                    file: source.describe(&shard.file),
                    reason: format!(
                        "it has {found} bytes, the manifest says {}; copy or download it again",
                        shard.bytes
                    ),
                });
            }
        }
        Ok(Converted { source, manifest })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The stored tensor `name`, after checking that it has `shape`.
    fn stored(&self, name: &str, shape: &[usize]) -> Result<&Stored> {
        let file = || self.source.describe(MANIFEST_FILE);
        let Some(stored) = self.manifest.tensors.get(name) else {
            return Err(Error::TensorMissing {
                name: name.to_string(),
                file: file(),
                hint: "; convert the checkpoint again".into(),
            });
        };
        match stored.shape == shape {
            true => Ok(stored),
            false => Err(Error::TensorShape {
                name: name.to_string(),
                file: file(),
                found: stored.shape.clone(),
                expected: shape.to_vec(),
            }),
        }
    }

    fn shard(&self, piece: &Piece) -> &HashedFile {
        // The shard exists: the manifest was checked.
        &self.manifest.shards[piece.shard]
    }
}

impl<S: Source> Tensors for Converted<S> {
    fn check(&self, name: &str, shape: &[usize]) -> Result<()> {
        self.stored(name, shape).map(|_| ())
    }

    fn check_all(&self, weights: &[Weight]) -> Result<()> {
        for weight in weights {
            self.check(&weight.name, &weight.shape)?;
        }
        let there = self.manifest.tensors.keys().map(String::as_str);
        match unread(weights, there) {
            None => Ok(()),
            Some((name, shows)) => Err(Error::Manifest {
                file: self.source.describe(MANIFEST_FILE),
                reason: told(name, &shows),
            }),
        }
    }

    fn stored_bytes(&self, name: &str, shape: &[usize]) -> u64 {
        let Ok(stored) = self.stored(name, shape) else {
            return 0;
        };
        let bytes = |piece: &Piece| stored.dtype.bytes(piece.rows, &stored.shape[1..]);
        let pieces = stored.pieces.iter();
        pieces.map(|piece| bytes(piece).unwrap_or(0)).sum()
    }

    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let stored = self.stored(name, shape)?;
        let mut values = Vec::with_capacity(shape.iter().product());
        for piece in &stored.pieces {
            let bytes = self.piece(stored, piece).await?;
            let read = match stored.dtype.quant() {
                Some(quant) => Packed::new(quant, &bytes, piece.rows, shape[1])?.dequantize(),
                None => stored.dtype.floats(&bytes),
            };
            if let Some(index) = read.iter().position(|value| !value.is_finite()) {
                return Err(Error::TensorValue {
                    name: name.to_string(),
                    file: self.source.describe(&self.shard(piece).file),
                    index: values.len() + index,
                    value: read[index].to_string(),
                });
            }
            values.extend(read);
        }
        Ok(values)
    }

    fn rows(&self, name: &str, shape: &[usize]) -> Result<Option<StoredRows>> {
        let stored = self.stored(name, shape)?;
        let file = |piece: &Piece| (self.shard(piece).file.clone(), *piece);
        let pieces = stored.pieces.iter().map(file).collect();
        Ok(Some(StoredRows::new(stored, pieces)))
    }

    fn quantized(&self, name: &str) -> Option<(Quant, &Stored)> {
        let stored = self.manifest.tensors.get(name)?;
        Some((stored.dtype.quant()?, stored))
    }

    async fn piece(&self, stored: &Stored, piece: &Piece) -> Result<Bytes> {
        let bytes = stored.dtype.bytes(piece.rows, &stored.shape[1..])?;
        let range = piece.offset..piece.offset + bytes;
        self.source.view(&self.shard(piece).file, range).await
    }
}
