//! Whether a device holds what the files say: pieces of quantised matrices, read back and compared byte for byte.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::gpu::quantized::{Bits, QuantizedMatrix, QuantizedPiece};
use crate::weights::source::AnySource;
use crate::weights::stored_rows::StoredRows;

/// A quantised matrix of a loaded model, which shares its buffers, and where it was read.
#[derive(Debug)]
pub struct HeldMatrix {
    /// As the manifest calls it.
    pub name: String,
    /// As the device holds it, perhaps with others below and above it.
    pub matrix: QuantizedMatrix,
    /// Where it begins there.
    pub first_row: usize,
    /// As the files hold it.
    pub stored: StoredRows,
}

/// What was compared, and found equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadBack {
    /// Of the matrices, one for each piece.
    pub names: Vec<String>,
    /// Of all pieces together.
    pub bytes: u64,
}

/// Compares `count` pieces of `held`, drawn by `seed`, with what `source` gives for them now.
///
/// # Errors
/// [`Error::Device`] if a byte differs; what reading fails with.
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

/// The bytes of `rows` rows from `first` on, as a shard has them.
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
