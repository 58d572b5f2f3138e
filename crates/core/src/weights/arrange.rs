//! Plans a converted model before anything is read: the type and place of every tensor.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::quant::Quant;
use crate::spec::{Kind, Weight};
use crate::weights::manifest::{ALIGNMENT, Dtype, Piece, Stored};

/// The precision of the stored weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 4 bits for the decoder's matrices, 8 bits for those that lose too much with 4.
    Q4,
    /// 8 bits for matrices.
    Q8,
    /// 16 bits.
    F16,
    /// 32 bits.
    F32,
}

impl Precision {
    /// The precision with this name on the command line.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn from_name(name: &str) -> Result<Self> {
        match name {
            "q4" => Ok(Precision::Q4),
            "q8" => Ok(Precision::Q8),
            "f16" => Ok(Precision::F16),
            "f32" => Ok(Precision::F32),
            _ => Err(Error::Option {
                option: format!("--quant {name}"),
                reason: "it is q4, q8, f16 or f32".into(),
            }),
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Q4 => "q4",
            Precision::Q8 => "q8",
            Precision::F16 => "f16",
            Precision::F32 => "f32",
        }
    }

    /// The type in which `weight` is stored. Vectors are few and stay f32; matrices whose rows are
    /// not a multiple of the block size are few too and are stored as f16. 4 bits are used in the
    /// decoder's layers only.
    pub fn dtype(self, weight: &Weight) -> Dtype {
        let is_matrix = weight.kind != Kind::Convolution && weight.shape.len() == 2;
        let in_blocks = is_matrix && weight.shape.last().is_some_and(|&row| Quant::fits(row));
        match (self, weight.kind) {
            (Precision::Q4, Kind::LayerMatrix) if in_blocks => Dtype::Q4,
            (Precision::Q4 | Precision::Q8, _) if in_blocks => Dtype::Q8,
            (Precision::F32, _) => Dtype::F32,
            _ if weight.shape.len() < 2 => Dtype::F32,
            _ => Dtype::F16,
        }
    }
}

/// The place of every tensor, and the sizes of the shards.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrangement {
    /// The tensors by checkpoint name.
    pub tensors: BTreeMap<String, Stored>,
    /// Size of each shard in bytes.
    pub shards: Vec<u64>,
}

/// Distributes tensors, in their order, over shards of at most `shard_bytes`
/// ([`SHARD_BYTES`](super::manifest::SHARD_BYTES)). A tensor that fits into one shard is not
/// divided; a larger one is divided into pieces with equal numbers of rows, each in its own shard.
///
/// # Errors
/// [`Error::Quantised`] if a row is larger than a shard.
pub fn arrange(weights: &[Weight], precision: Precision, shard_bytes: u64) -> Result<Arrangement> {
    let mut tensors = BTreeMap::new();
    let mut shards: Vec<u64> = Vec::new();
    for weight in weights {
        let Weight { name, shape, .. } = weight;
        let dtype = precision.dtype(weight);
        let (rows, rest) = (shape[0], &shape[1..]);
        let whole = dtype.bytes(rows, rest)?;
        let count = usize::try_from(whole.div_ceil(shard_bytes)).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        let mut left = rows;
        while left > 0 {
            let rows = rows.div_ceil(count).min(left);
            let bytes = dtype.bytes(rows, rest)?;
            if bytes > shard_bytes {
                return Err(Error::Quantised {
                    reason: format!(
                        "tensor {name}: {rows} rows take {bytes} bytes, more than a shard"
                    ),
                });
            }
            let start = shards.last().map(|end| end.next_multiple_of(ALIGNMENT));
            let (shard, offset) = match start {
                Some(start) if start + bytes <= shard_bytes => (shards.len() - 1, start),
                _ => {
                    shards.push(0);
                    (shards.len() - 1, 0)
                }
            };
            shards[shard] = offset + bytes;
            pieces.push(Piece {
                shard,
                offset,
                rows,
            });
            left -= rows;
        }
        tensors.insert(
            name.clone(),
            Stored {
                shape: shape.clone(),
                dtype,
                pieces,
            },
        );
    }
    Ok(Arrangement { tensors, shards })
}
