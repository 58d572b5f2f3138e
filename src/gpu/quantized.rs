//! A matrix that stays quantised (docs/FORMAT.md): its products dequantise on the way.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use bytes::Bytes;

use crate::error::Result;
use crate::gpu::cpu::is_host;
use crate::quant::{Layout, Quant};

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
    /// As [`Quant::checked_layout`] and [`Layout::check_row_scales`].
    pub fn push(&mut self, quant: Quant, rows: usize, bytes: Bytes, device: &Device) -> Result<()> {
        let layout = quant.checked_layout(bytes.len(), rows, self.columns)?;
        layout.check_row_scales(&bytes, self.rows)?;
        let bits = match is_host(device) {
            true => Bits::Host(bytes),
            false => upload(&layout, rows, bytes, device),
        };
        self.rows += rows;
        self.pieces.push(QuantizedPiece { quant, rows, bits });
        Ok(())
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
