//! A model's tensors, from a checkpoint or a converted model.

use bytes::Bytes;

use super::manifest::{Piece, Stored};
use super::stored_rows::StoredRows;
use crate::error::{Error, Result};
use crate::quant::Quant;
use crate::spec::Weight;

/// A source of a model's tensors.
#[allow(
    async_fn_in_trait,
    reason = "used by generic callers of this crate only; no Send bound is wanted on wasm"
)]
pub trait Tensors {
    /// Checks that `name` exists with `shape`, in a supported type.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::TensorShape`], [`Error::TensorDtype`].
    fn check(&self, name: &str, shape: &[usize]) -> Result<()>;

    /// Checks that all of `weights` (those of a whole model) exist, and no other tensor that would
    /// change the model's answers.
    ///
    /// # Errors
    /// The errors of [`Tensors::check`]; [`Error::Checkpoint`] or [`Error::Manifest`] for a tensor
    /// that would be ignored.
    fn check_all(&self, weights: &[Weight]) -> Result<()> {
        let mut weights = weights.iter();
        weights.try_for_each(|weight| self.check(&weight.name, &weight.shape))
    }

    /// Reads the tensor `name` as f32, row-major.
    ///
    /// # Errors
    /// The errors of [`Tensors::check`]; [`Error::TensorValue`] for NaN and infinities; the
    /// source's errors.
    async fn read_f32(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>>;

    /// Stored size in bytes of the part of `name` within `shape`; 0 if [`Tensors::check`] refuses
    /// it.
    fn stored_bytes(&self, name: &str, shape: &[usize]) -> u64;

    /// A reader of single rows of the matrix `name`, if its rows should be read one by one on use.
    ///
    /// # Errors
    /// The errors of [`Tensors::check`].
    fn rows(&self, name: &str, shape: &[usize]) -> Result<Option<StoredRows>> {
        let _ = (name, shape);
        Ok(None)
    }

    /// How `name` is stored, if it is quantised.
    fn quantized(&self, name: &str) -> Option<(Quant, &Stored)> {
        let _ = name;
        None
    }

    /// Reads the bytes of a piece of a quantised tensor.
    ///
    /// # Errors
    /// The source's errors.
    async fn piece(&self, stored: &Stored, piece: &Piece) -> Result<Bytes> {
        let _ = piece;
        Err(Error::Quantised {
            reason: format!("a tensor of {:?} is not quantised here", stored.shape),
        })
    }
}
