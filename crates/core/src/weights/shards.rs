//! The shards of a converted model (docs/FORMAT.md), made from a checkpoint wherever it lies: the same bytes natively
//! and in the browser.
//!
//! In: a checkpoint's tensors, and their arrangement. Out: a shard's bytes. One shard and a few megabytes of numbers
//! are in memory. Where finished shards go is not known here.

use super::arrange::Arrangement;
use super::checkpoint::{Checkpoint, Place};
use super::manifest::{Dtype, Stored};
use super::source::Source;
use super::tensors::Tensors;
use crate::error::{Error, Result};
use crate::progress::{Phase, Watch};
use crate::quant::{BLOCK, Quant};

/// What the same checkpoint becomes: the number is raised with every change of the bytes, so that shards of an earlier
/// version are not mixed with later ones.
pub const CONVERTER: u32 = 1;
/// Numbers that are read at once: 4 MiB in f32.
const CHUNK: usize = 1 << 20;
/// Bytes between two tensors in a file that are read too, so that a request goes on.
const GAP: u64 = 256 << 10;

/// The file name of shard `index`, counted from 0.
pub fn shard_name(index: usize) -> String {
    format!("shard-{:05}.bin", index + 1)
}

/// Rows of one tensor that lie together in a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    name: &'a str,
    stored: &'a Stored,
    /// The first of the tensor's rows.
    first: usize,
    count: usize,
    /// Where they begin in the shard.
    offset: u64,
}

impl Arrangement {
    /// What lies in shard `index`, in the order of the names.
    pub(super) fn rows(&self, index: usize) -> Vec<Rows<'_>> {
        let mut found = Vec::new();
        for (name, stored) in &self.tensors {
            let mut first = 0;
            for piece in &stored.pieces {
                if piece.shard == index {
                    found.push(Rows {
                        name,
                        stored,
                        first,
                        count: piece.rows,
                        offset: piece.offset,
                    });
                }
                first += piece.rows;
            }
        }
        found
    }

    /// Size of shard `index`; 0 if there is none.
    fn shard_bytes(&self, index: usize) -> u64 {
        self.shards.get(index).copied().unwrap_or(0)
    }
}

impl<'a> Rows<'a> {
    /// Divides the rows into chunks, which can be filled independently. `shard`: all bytes of the shard.
    ///
    /// # Errors
    /// [`Error::Quantised`] if they do not fit.
    pub(super) fn chunks<'b>(&self, shard: &'b mut [u8]) -> Result<Vec<Chunk<'b>>>
    where
        'a: 'b,
    {
        let Rows { stored, count, .. } = *self;
        let size = stored.dtype.bytes(count, &stored.shape[1..])?;
        let (start, end) = (self.offset as usize, (self.offset + size) as usize);
        let outside = || Error::Quantised {
            reason: format!("tensor {} does not fit its shard", self.name),
        };
        let bytes = shard.get_mut(start..end).ok_or_else(outside)?;
        let columns: usize = stored.shape[1..].iter().product();
        let step = (CHUNK / columns).max(1);
        let part = |at: usize, count: usize| Rows {
            first: self.first + at * step,
            count,
            ..*self
        };
        let Some(quant) = stored.dtype.quant() else {
            let number = if stored.dtype == Dtype::F32 { 4 } else { 2 };
            let row_bytes = columns * number;
            let chunks = bytes.chunks_mut(step * row_bytes).enumerate();
            return Ok(chunks
                .map(|(at, bytes)| Chunk {
                    rows: part(at, bytes.len() / row_bytes),
                    to: To::Numbers(bytes),
                })
                .collect());
        };
        let blocks = columns / BLOCK;
        let code_bytes = blocks * quant.block_bytes();
        let layout = quant.layout(count, columns)?;
        let (codes, rest) = bytes.split_at_mut(layout.codes);
        let (block_scales, row_scales) = rest.split_at_mut(layout.block_scales);
        let chunks = codes
            .chunks_mut(step * code_bytes)
            .zip(block_scales[..count * blocks].chunks_mut(step * blocks))
            .zip(row_scales.chunks_mut(step * 4));
        Ok(chunks
            .enumerate()
            .map(|(at, ((codes, block_scales), row_scales))| Chunk {
                rows: part(at, row_scales.len() / 4),
                to: To::Blocks {
                    quant,
                    columns,
                    codes,
                    block_scales,
                    row_scales,
                },
            })
            .collect())
    }
}

/// A few rows, and their bytes in the shard.
pub(super) struct Chunk<'a> {
    rows: Rows<'a>,
    to: To<'a>,
}

enum To<'a> {
    Numbers(&'a mut [u8]),
    Blocks {
        quant: Quant,
        columns: usize,
        codes: &'a mut [u8],
        block_scales: &'a mut [u8],
        row_scales: &'a mut [u8],
    },
}

impl Chunk<'_> {
    /// Reads the rows, and writes them as they are stored.
    ///
    /// # Errors
    /// The errors of [`Checkpoint::read_rows`]; [`Error::Quantised`] for a number that f16 does not have.
    pub(super) async fn fill<S: Source>(self, checkpoint: &Checkpoint<S>) -> Result<()> {
        let Rows {
            name,
            stored,
            first,
            count,
            ..
        } = self.rows;
        let values = checkpoint
            .read_rows(name, &stored.shape, first..first + count)
            .await?;
        match self.to {
            To::Blocks {
                quant,
                columns,
                codes,
                block_scales,
                row_scales,
            } => quant.quantize_into(&values, columns, codes, block_scales, row_scales),
            To::Numbers(bytes) if stored.dtype == Dtype::F32 => {
                bytes.copy_from_slice(bytemuck::cast_slice(&values));
            }
            To::Numbers(bytes) => {
                for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(&values) {
                    let half = half::f16::from_f32(*value);
                    if !half.is_finite() {
                        return Err(Error::Quantised {
                            reason: format!("tensor {name}: {value} is too large for f16"),
                        });
                    }
                    *bytes = half.to_le_bytes();
                }
            }
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let bytes = match &self.to {
            To::Numbers(bytes) => bytes.len(),
            To::Blocks {
                codes,
                block_scales,
                row_scales,
                ..
            } => codes.len() + block_scales.len() + row_scales.len(),
        };
        bytes as u64
    }
}

/// A checkpoint whose shards are made one after another, from a source that is read in order: a server.
#[derive(Clone, Copy)]
pub struct Shards<'a, S> {
    checkpoint: &'a Checkpoint<S>,
    arrangement: &'a Arrangement,
}

impl<'a, S: Source> Shards<'a, S> {
    /// `arrangement`: of the checkpoint's tensors, which [`Tensors::check_all`] has found.
    pub fn new(checkpoint: &'a Checkpoint<S>, arrangement: &'a Arrangement) -> Self {
        Shards {
            checkpoint,
            arrangement,
        }
    }

    /// Bytes that are read of the checkpoint for each shard.
    pub fn source_bytes(&self) -> Vec<u64> {
        let mut bytes = vec![0; self.arrangement.shards.len()];
        for (name, stored) in &self.arrangement.tensors {
            let rows = stored.shape.first().copied().unwrap_or(1).max(1) as u64;
            let row = Tensors::stored_bytes(self.checkpoint, name, &stored.shape) / rows;
            for piece in &stored.pieces {
                if let Some(bytes) = bytes.get_mut(piece.shard) {
                    *bytes += row * piece.rows as u64;
                }
            }
        }
        bytes
    }

    /// The bytes of shard `index`. Tensors are read in the order of their files, one chunk after another;
    /// [`Source::expect`] is told what will be read without a gap. `watch` is told the bytes read of the checkpoint
    /// ([`Phase::Download`]) and those made of them ([`Phase::Conversion`]), counted over all shards.
    ///
    /// # Errors
    /// The errors of [`Checkpoint::read_rows`]; [`Error::Quantised`]; [`Error::Stopped`].
    pub async fn make(&self, index: usize, watch: &mut Watch<'_>) -> Result<Vec<u8>> {
        let Shards {
            checkpoint,
            arrangement,
        } = *self;
        let source_bytes = self.source_bytes();
        let before = |bytes: &[u64]| bytes.iter().take(index).sum::<u64>();
        let (mut read, to_read) = (before(&source_bytes), source_bytes.iter().sum());
        let mut made = before(&arrangement.shards);
        let to_make = arrangement.shards.iter().sum();

        let mut placed = Vec::new();
        for rows in arrangement.rows(index) {
            let of_tensor = rows.first..rows.first + rows.count;
            let place = checkpoint.place(rows.name, &rows.stored.shape, of_tensor)?;
            placed.push((place, rows));
        }
        placed.sort_by(|(one, _), (other, _)| one.order().cmp(&other.order()));

        let mut bytes = vec![0; arrangement.shard_bytes(index) as usize];
        let mut left = &placed[..];
        while let Some((first, _)) = left.first() {
            let (run, end) = run(left);
            let expected = first.bytes.start..end;
            first.source.expect(first.file(), expected);
            for (place, rows) in &left[..run] {
                let row_bytes = (place.bytes.end - place.bytes.start) / rows.count.max(1) as u64;
                for chunk in rows.chunks(&mut bytes)? {
                    watch.progress(Phase::Download, read, to_read);
                    watch.progress(Phase::Conversion, made, to_make);
                    watch.breathe().await?;
                    read += chunk.rows.count as u64 * row_bytes;
                    made += chunk.bytes();
                    chunk.fill(checkpoint).await?;
                }
            }
            left = &left[run..];
        }
        watch.progress(Phase::Download, read, to_read);
        watch.progress(
            Phase::Conversion,
            before(&arrangement.shards) + arrangement.shard_bytes(index),
            to_make,
        );
        Ok(bytes)
    }
}

/// How many of `placed`, from the first on, lie behind one another in one file, and where they end.
fn run<S>(placed: &[(Place<'_, S>, Rows<'_>)]) -> (usize, u64) {
    let (mut count, mut end) = (0, 0);
    for (place, _) in placed {
        let follows = count == 0
            || (place.is_same_file(&placed[0].0)
                && place.bytes.start <= u64::saturating_add(end, GAP));
        if !follows {
            break;
        }
        count += 1;
        end = end.max(place.bytes.end);
    }
    (count, end)
}
