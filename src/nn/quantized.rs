//! A matrix that stays quantised (docs/FORMAT.md): its products dequantise on the way.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::gpu::device::is_host;
use crate::weights::quantize::{BLOCK, Layout, Quant};

/// `[rows, columns]`, in pieces.
#[derive(Debug, Clone)]
pub struct QuantizedMatrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// Some rows each, in their order: none is larger than a shard, and so than what a buffer may have.
    pub pieces: Vec<QuantizedPiece>,
}

/// Rows of a matrix.
#[derive(Debug, Clone)]
pub struct QuantizedPiece {
    /// What the bits mean.
    pub quant: Quant,
    /// How many rows.
    pub rows: usize,
    /// Where the bits are.
    pub bits: Bits,
}

/// The bits of a piece.
#[derive(Debug, Clone)]
pub enum Bits {
    /// On a device.
    Device(Box<DeviceBits>),
    /// In memory, as in a shard; perhaps a part of the file itself.
    Host(Bytes),
}

/// Bytes that shaders read at once.
const VECTOR: usize = 16;

/// The bits of a piece, as a device can hold them.
#[derive(Debug, Clone)]
pub struct DeviceBits {
    /// Codes, then block scales, four bytes a number; then zeros up to a multiple of 16 bytes.
    pub words: Tensor<1, Int>,
    /// `[rows]`.
    pub row_scales: Tensor<1>,
}

impl QuantizedMatrix {
    /// Without a row yet.
    pub fn new(columns: usize) -> Self {
        QuantizedMatrix {
            rows: 0,
            columns,
            pieces: Vec::new(),
        }
    }

    /// Adds `rows` rows, in `bytes` as they lie in a shard, on `device`.
    ///
    /// # Errors
    /// As [`Quant::checked_layout`]; [`Error::Quantised`] if a row's scale is no number.
    pub fn push(&mut self, quant: Quant, rows: usize, bytes: Bytes, device: &Device) -> Result<()> {
        let layout = quant.checked_layout(bytes.len(), rows, self.columns)?;
        let row_scales = bytes[layout.codes + layout.block_scales..].as_chunks().0;
        let mut row_scales = row_scales.iter().map(|&scale| f32::from_le_bytes(scale));
        if let Some(row) = row_scales.position(|scale| !scale.is_finite()) {
            return Err(Error::Quantised {
                reason: format!(
                    "the scale of row {} is not finite; convert or download it again",
                    self.rows + row
                ),
            });
        }
        let bits = match is_host(device) {
            true => Bits::Host(bytes),
            false => upload(&layout, rows, bytes, device),
        };
        self.rows += rows;
        self.pieces.push(QuantizedPiece { quant, rows, bits });
        Ok(())
    }

    /// One piece of the `parts`' rows, one part above the next, on their device. None where a part is not one piece, or
    /// they differ in what their bits mean, or it would take more than `most_bytes`.
    pub fn joined(parts: &[&QuantizedMatrix], most_bytes: usize) -> Option<QuantizedMatrix> {
        let columns = parts.first()?.columns;
        let pieces: Option<Vec<(&DeviceBits, &QuantizedPiece)>> = parts
            .iter()
            .map(|part| match part.pieces.as_slice() {
                [piece] if part.columns == columns => match &piece.bits {
                    Bits::Device(bits) => Some((bits.as_ref(), piece)),
                    Bits::Host(_) => None,
                },
                _ => None,
            })
            .collect();
        let pieces = pieces?;
        let quant = pieces.first()?.1.quant;
        let mut sections = [Vec::new(), Vec::new(), Vec::new()];
        let mut bytes = 0;
        for (bits, piece) in &pieces {
            let layout = quant.layout(piece.rows, columns).ok()?;
            // Behind scales that are padded no others can stand.
            let is_padded = layout.block_scales != piece.rows * (columns / BLOCK);
            if piece.quant != quant || is_padded {
                return None;
            }
            let words =
                |first: usize, count: usize| bits.words.clone().narrow(0, first / 4, count / 4);
            sections[0].push(words(0, layout.codes));
            sections[1].push(words(layout.codes, layout.block_scales));
            bytes += layout.codes + layout.block_scales;
        }
        let padding = bytes.next_multiple_of(VECTOR) - bytes;
        if padding > 0 {
            sections[2].push(Tensor::zeros([padding / 4], &pieces[0].0.words.device()));
        }
        if bytes > most_bytes {
            return None;
        }
        let row_scales = pieces.iter().map(|(bits, _)| bits.row_scales.clone());
        let bits = DeviceBits {
            words: Tensor::cat(sections.concat(), 0),
            row_scales: Tensor::cat(row_scales.collect(), 0),
        };
        let rows = parts.iter().map(|part| part.rows).sum();
        Some(QuantizedMatrix {
            rows,
            columns,
            pieces: vec![QuantizedPiece {
                quant,
                rows,
                bits: Bits::Device(Box::new(bits)),
            }],
        })
    }
}

/// A piece is as large as a shard: its bytes move, and are not copied where they have one owner.
fn upload(layout: &Layout, rows: usize, bytes: Bytes, device: &Device) -> Bits {
    let mut words = Vec::from(bytes);
    let row_scales = words.split_off(layout.codes + layout.block_scales);
    words.resize(words.len().next_multiple_of(VECTOR), 0);
    let count = words.len() / size_of::<u32>();
    let words = TensorData::from_bytes_vec(words, [count], DType::I32);
    let row_scales = TensorData::from_bytes_vec(row_scales, [rows], DType::F32);
    Bits::Device(Box::new(DeviceBits {
        words: Tensor::from_data(words, device),
        row_scales: Tensor::from_data(row_scales, device),
    }))
}
