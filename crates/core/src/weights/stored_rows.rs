//! Reads single rows of a stored matrix: the embeddings of a large vocabulary.

use super::manifest::{Dtype, Piece, Stored};
use super::source::AnySource;
use crate::error::{Error, Result};
use crate::quant::BLOCK;
use crate::quant::PackedRow;

/// The place of a converted model's matrix. Plain data; the source is passed to each read.
#[derive(Debug, Clone)]
pub struct StoredRows {
    dtype: Dtype,
    columns: usize,
    /// The shard's name and the piece, in the order of the rows.
    pieces: Vec<(String, Piece)>,
}

impl StoredRows {
    /// The rows of `stored`, a checked matrix; `pieces` come with the names of their shards.
    pub fn new(stored: &Stored, pieces: Vec<(String, Piece)>) -> Self {
        StoredRows {
            dtype: stored.dtype,
            columns: stored.shape[1..].iter().product(),
            pieces,
        }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of rows of each piece.
    pub fn piece_rows(&self) -> Vec<usize> {
        self.pieces.iter().map(|(_, piece)| piece.rows).collect()
    }

    /// Reads row `index` as f32.
    ///
    /// # Errors
    /// [`Error::Quantised`] if the row does not exist; the source's errors.
    pub async fn read(&self, source: &dyn AnySource, index: usize) -> Result<Vec<f32>> {
        let mut left = index;
        for (file, piece) in &self.pieces {
            if left < piece.rows {
                return self.read_in(source, file, piece, left).await;
            }
            left -= piece.rows;
        }
        Err(Error::Quantised {
            reason: format!("there is no row {index}"),
        })
    }

    /// Reads the bytes of piece `index`, as stored in its shard.
    ///
    /// # Errors
    /// [`Error::Quantised`] if the piece does not exist; the source's errors.
    pub async fn read_piece(&self, source: &dyn AnySource, index: usize) -> Result<Vec<u8>> {
        let Some((file, piece)) = self.pieces.get(index) else {
            return Err(Error::Quantised {
                reason: format!("there is no piece {index}"),
            });
        };
        let bytes = self.dtype.bytes(piece.rows, &[self.columns])?;
        let range = piece.offset..piece.offset + bytes;
        source.read_any(file, range).await
    }

    async fn read_in(
        &self,
        source: &dyn AnySource,
        file: &str,
        piece: &Piece,
        row: usize,
    ) -> Result<Vec<f32>> {
        let read = async |at: usize, row_bytes: usize| {
            let start = piece.offset + (at + row * row_bytes) as u64;
            source.read_any(file, start..start + row_bytes as u64).await
        };
        let Some(quant) = self.dtype.quant() else {
            let bytes = read(0, self.dtype.bytes(1, &[self.columns])? as usize).await?;
            return Ok(self.dtype.floats(&bytes));
        };
        let layout = quant.layout(piece.rows, self.columns)?;
        let blocks = self.columns / BLOCK;
        let codes = read(0, blocks * quant.block_bytes()).await?;
        let block_scales = read(layout.codes, blocks).await?;
        let row_scale = read(layout.codes + layout.block_scales, size_of::<f32>()).await?;
        let row_scale = row_scale
            .as_chunks()
            .0
            .first()
            .copied()
            .map(f32::from_le_bytes);
        let row = PackedRow::new(quant, &codes, &block_scales, row_scale.unwrap_or_default());
        let mut values = vec![0.0; self.columns];
        row.dequantize(&mut values);
        Ok(values)
    }
}
