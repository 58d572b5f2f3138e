//! What a model is built from, however it is stored: a checkpoint's tensors or a converted model's.

use bytes::Bytes;

use super::manifest::{Piece, Stored};
use super::stored_rows::StoredRows;
use crate::error::{Error, Result};
use crate::quant::Quant;
use crate::spec::Weight;

/// Where a model's tensors are read from.
#[allow(
    async_fn_in_trait,
    reason = "used by generic callers of this crate only; no Send bound is wanted on wasm"
)]
pub trait Tensors {
    /// Checks that `name` is there with `shape`, in a type that can be read.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorDtype`].
    fn check(&self, name: &str, shape: &[usize]) -> Result<()>;

    /// Checks that all of `weights`, which are a whole model's, are there, and nothing beside them that would change what
    /// the model answers.
    ///
    /// # Errors
    /// As [`Tensors::check`]; [`Error::Checkpoint`] or [`Error::Manifest`] for a tensor that would be left unread.
    fn check_all(&self, weights: &[Weight]) -> Result<()> {
        let mut weights = weights.iter();
        weights.try_for_each(|weight| self.check(&weight.name, &weight.shape))
    }

    /// The tensor `name` as f32, row-major.
    ///
    /// # Errors
    /// As [`Tensors::check`]; [`Error::TensorValue`] for NaN and infinities; the source's.
    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// Bytes of `name` as it is stored, so far as it has `shape`; 0 where [`Tensors::check`] refuses it.
    fn stored_bytes(&self, name: &str, shape: &[usize]) -> u64;

    /// How to read single rows of the matrix `name` later, where that is what should be done with it.
    ///
    /// # Errors
    /// As [`Tensors::check`].
    fn rows(&self, name: &str, shape: &[usize]) -> Result<Option<StoredRows>> {
        let _ = (name, shape);
        Ok(None)
    }

    /// How `name` is held, if it is quantised.
    fn quantized(&self, name: &str) -> Option<(Quant, &Stored)> {
        let _ = name;
        None
    }

    /// The bytes of a piece of a quantised tensor.
    ///
    /// # Errors
    /// The source's.
    async fn piece(&self, stored: &Stored, piece: &Piece) -> Result<Bytes> {
        let _ = piece;
        Err(Error::Quantised {
            reason: format!("a tensor of {:?} is not quantised here", stored.shape),
        })
    }
}
