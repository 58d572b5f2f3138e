//! A matrix that stays quantised (docs/FORMAT.md): shaders dequantise it as they read it, the processor multiplies its levels.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use bytes::Bytes;

use crate::error::Result;
use crate::gpu::cpu::is_host;
use crate::quant::{Layout, Quant};

/// `[rows, columns]`, stored in pieces of some rows each.
#[derive(Debug, Clone)]
pub struct QuantizedMatrix {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// In row order. Each is at most one shard, and therefore fits into one buffer.
    pub pieces: Vec<QuantizedPiece>,
}

/// Some rows of a matrix.
#[derive(Debug, Clone)]
pub struct QuantizedPiece {
    /// How the weights are encoded.
    pub quant: Quant,
    /// Number of rows.
    pub rows: usize,
    /// The encoded weights.
    pub bits: Bits,
}

/// The encoded weights of a piece.
#[derive(Debug, Clone)]
pub enum Bits {
    /// On a device.
    Device(Box<DeviceBits>),
    /// In host memory, in the layout of a shard; may refer to the memory-mapped file.
    Host(Bytes),
}

/// Bytes that shaders read at once.
const VECTOR: usize = 16;

/// The encoded weights of a piece, uploaded to a device.
#[derive(Debug, Clone)]
pub struct DeviceBits {
    /// Codes, then block scales, four bytes per word; zero-padded to a multiple of 16 bytes.
    pub words: Tensor<1, Int>,
    /// `[rows]`.
    pub row_scales: Tensor<1>,
}

impl QuantizedMatrix {
    /// A matrix without rows.
    pub fn new(columns: usize) -> Self {
        QuantizedMatrix {
            rows: 0,
            columns,
            pieces: Vec::new(),
        }
    }

    /// Appends `rows` rows from `bytes`, which have a shard's layout, and uploads them to `device`.
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

/// A piece is as large as a shard: its bytes are moved, and copied only if they are shared.
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
