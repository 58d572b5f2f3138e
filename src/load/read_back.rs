//! Verifies the weights on a device: pieces of quantised matrices are read back and compared with the files byte for
//! byte.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::gpu::quantized::{Bits, QuantizedMatrix, QuantizedPiece};
use crate::weights::source::AnySource;
use crate::weights::stored_rows::StoredRows;

/// A quantised matrix of a loaded model, which shares the model's buffers, and where it was read from.
#[derive(Debug)]
pub struct HeldMatrix {
    /// Its name in the manifest.
    pub name: String,
    /// The matrix on the device, possibly joined with others.
    pub matrix: QuantizedMatrix,
    /// Its first row in that matrix.
    pub first_row: usize,
    /// The rows in the files.
    pub stored: StoredRows,
}

/// What was compared, and found to be equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadBack {
    /// The name of the matrix of each piece.
    pub names: Vec<String>,
    /// Total size of the pieces in bytes.
    pub bytes: u64,
}

/// Compares `count` pieces of `held`, chosen at random by `seed`, with the current contents of `source`.
///
/// # Errors
/// [`Error::Device`] if a byte differs; read errors.
pub async fn read_back(
    held: &[HeldMatrix],
    source: &dyn AnySource,
    count: usize,
    seed: u64,
) -> Result<ReadBack> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut report = ReadBack {
        names: Vec::new(),
        bytes: 0,
    };
    if held.is_empty() {
        return Ok(report);
    }
    for _ in 0..count {
        let HeldMatrix {
            name,
            matrix,
            first_row,
            stored,
        } = &held[random.random_range(..held.len())];
        let pieces = stored.piece_rows();
        let index = random.random_range(..pieces.len());
        let expected = stored.read_piece(source, index).await?;
        let first = first_row + pieces[..index].iter().sum::<usize>();
        let found = bytes_of(matrix, first, pieces[index]).await?;
        let differs = |(found, expected): (&u8, &u8)| found != expected;
        if found.len() != expected.len() {
            return Err(failed(format!(
                "piece {index} of {name} has {} bytes on the device and {} in its file",
                found.len(),
                expected.len()
            )));
        }
        if let Some(at) = found.iter().zip(&expected).position(differs) {
            return Err(failed(format!(
                "piece {index} of {name} is not what its file says: byte {at} is {}, not {}",
                found[at], expected[at]
            )));
        }
        report.names.push(name.clone());
        report.bytes += expected.len() as u64;
    }
    Ok(report)
}

/// The bytes of `rows` rows from row `first`, in a shard's layout.
async fn bytes_of(matrix: &QuantizedMatrix, first: usize, rows: usize) -> Result<Vec<u8>> {
    let mut above = first;
    for piece in &matrix.pieces {
        if above < piece.rows {
            return bytes_in(piece, matrix.columns, above, rows).await;
        }
        above -= piece.rows;
    }
    Err(failed(format!("there is no row {first}")))
}

async fn bytes_in(
    piece: &QuantizedPiece,
    columns: usize,
    first: usize,
    rows: usize,
) -> Result<Vec<u8>> {
    let bits = match &piece.bits {
        Bits::Host(bytes) => return Ok(bytes.to_vec()),
        Bits::Device(bits) => bits,
    };
    let whole = piece.quant.layout(piece.rows, columns)?;
    let above = piece.quant.layout(first, columns)?;
    let part = piece.quant.layout(rows, columns)?;
    let mut bytes = Vec::with_capacity(part.bytes());
    let scales = whole.codes + above.block_scales;
    for (from, count) in [(above.codes, part.codes), (scales, part.block_scales)] {
        let words = bits.words.clone().narrow(0, from / 4, count / 4);
        let data = words.into_data_async().await;
        bytes.extend(data.map_err(|e| failed(e.to_string()))?.as_bytes());
    }
    let row_scales = bits.row_scales.clone().narrow(0, first, rows);
    let data = row_scales.into_data_async().await;
    bytes.extend(data.map_err(|e| failed(e.to_string()))?.as_bytes());
    Ok(bytes)
}

fn failed(reason: String) -> Error {
    Error::Device {
        device: "reading weights back".into(),
        reason,
    }
}
