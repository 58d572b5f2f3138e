//! Builds layers on a device from a checkpoint's tensors, in the order of a part's list of weights.

use std::vec::IntoIter;

use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;

use super::HeldMatrix;
use crate::error::{Error, Result};
use crate::gpu::cpu::is_host;
use crate::gpu::quantized::{Bits, QuantizedMatrix};
use crate::gpu::read::settle;
use crate::nn::{Embedding, LayerNorm, Linear, RmsNorm, Stacked};
use crate::progress::{Phase, Watch};
use crate::quant::Stack;
use crate::spec::{Kind, Weight};
use crate::weights::tensors::Tensors;

/// Reads and uploads tensors, and reports progress. Each read takes the next entry of the part's list, so that names
/// and shapes are defined only there.
pub struct Builder<'a, 'w, T> {
    tensors: &'a T,
    device: &'a Device,
    watch: &'a mut Watch<'w>,
    /// The remaining weights of the current part.
    part: IntoIter<Weight>,
    /// Bytes read so far, in the stored format.
    done: u64,
    /// Bytes to read in all.
    total: u64,
    held: Vec<HeldMatrix>,
    joins: bool,
    /// Bytes uploaded since the last wait for the device.
    uploading: usize,
}

/// The most bytes queued for upload before the device is waited for.
const UPLOADING_MAX: usize = 32 << 20;
/// Matrices are joined up to this many bytes: the largest binding that portable WebGPU guarantees.
const JOINED_MAX: usize = 128 << 20;

/// An error about a quantised tensor, with the tensor's name.
fn of_tensor(name: &str, error: &Error) -> Error {
    Error::Quantised {
        reason: format!("tensor {name}: {error}"),
    }
}

impl<'a, 'w, T: Tensors> Builder<'a, 'w, T> {
    /// Checks first that all of `weights`, those of a whole model, are present with their shapes, so that an
    /// incomplete checkpoint is refused before anything is uploaded.
    ///
    /// # Errors
    /// As [`Tensors::check_all`].
    pub fn new(
        tensors: &'a T,
        weights: &[Weight],
        device: &'a Device,
        watch: &'a mut Watch<'w>,
    ) -> Result<Self> {
        tensors.check_all(weights)?;
        // Embeddings that are read row by row on demand are not read here.
        let mut total = 0;
        for Weight { name, shape, kind } in weights {
            if *kind != Kind::Embeddings || tensors.rows(name, shape)?.is_none() {
                total += tensors.stored_bytes(name, shape);
            }
        }
        Ok(Builder {
            tensors,
            device,
            watch,
            part: Vec::new().into_iter(),
            done: 0,
            total,
            held: Vec::new(),
            joins: !is_host(device),
            uploading: 0,
        })
    }

    /// Keeps every tensor a separate parameter, as training needs them.
    pub fn apart(mut self) -> Self {
        self.joins = false;
        self
    }

    /// The quantised matrices of all modules that were built.
    pub fn into_held(self) -> Vec<HeldMatrix> {
        self.held
    }

    /// Runs `build` on the tensors of `list`; it must take all of them, in order.
    ///
    /// # Errors
    /// The errors of `build`.
    pub async fn part<M>(
        &mut self,
        list: Vec<Weight>,
        build: impl AsyncFnOnce(&mut Self) -> Result<M>,
    ) -> Result<M> {
        self.part = list.into_iter();
        let module = build(self).await?;
        match self.part.next() {
            None => Ok(module),
            Some(left) => Err(disagree(&left.name, "nothing")),
        }
    }

    /// The next weight of the list; an error if it is not one of `kinds`.
    fn next(&mut self, kinds: &[Kind]) -> Result<Weight> {
        match self.part.next() {
            Some(weight) if kinds.contains(&weight.kind) => Ok(weight),
            Some(other) => Err(disagree(&other.name, &format!("one of {kinds:?}"))),
            None => Err(disagree(
                "the end of the list",
                &format!("one of {kinds:?}"),
            )),
        }
    }

    /// Reads a tensor unchanged.
    ///
    /// # Errors
    /// As [`Tensors::read_f32`]; [`Error::Stopped`].
    pub async fn tensor<const D: usize>(&mut self, kind: Kind) -> Result<Tensor<D>> {
        let weight = self.next(&[kind])?;
        self.read(&weight).await
    }

    async fn read<const D: usize>(&mut self, weight: &Weight) -> Result<Tensor<D>> {
        let Weight { name, shape, .. } = weight;
        let dims: [usize; D] = match shape.as_slice().try_into() {
            Ok(dims) => dims,
            Err(_) => return Err(disagree(name, &format!("a tensor of {D} dimensions"))),
        };
        let values = self.tensors.read_f32(name, shape).await?;
        let count = values.len();
        let tensor = Tensor::from_data(TensorData::new(values, dims), self.device);
        self.uploaded(count * size_of::<f32>(), &tensor).await?;
        self.advance(self.tensors.stored_bytes(name, shape)).await?;
        Ok(tensor)
    }

    /// Counts `bytes` more as queued for upload, with `last` the last tensor, and waits for the device if many are
    /// queued: queued data also occupies host memory.
    async fn uploaded<const D: usize>(&mut self, bytes: usize, last: &Tensor<D>) -> Result<()> {
        self.uploading += bytes;
        if self.uploading > UPLOADING_MAX {
            self.uploading = 0;
            settle(last).await?;
        }
        Ok(())
    }

    /// Reports that `bytes` more were read, in the stored format.
    async fn advance(&mut self, bytes: u64) -> Result<()> {
        self.done += bytes;
        self.watch.progress(Phase::Weights, self.done, self.total);
        self.watch.breathe().await
    }

    /// A linear layer, with its bias if it has one.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn linear(&mut self) -> Result<Linear> {
        let weight = self.next(&[Kind::Matrix, Kind::LayerMatrix])?;
        let linear = self.matrix(&weight).await?;
        Ok(linear.with_bias(self.bias().await?))
    }

    /// The bias of the layer read last, if it has one.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn bias(&mut self) -> Result<Option<Tensor<1>>> {
        let next = self.part.as_slice().first();
        match next.is_some_and(|weight| weight.kind == Kind::Bias) {
            true => self.tensor(Kind::Bias).await.map(Some),
            false => Ok(None),
        }
    }

    async fn matrix(&mut self, weight: &Weight) -> Result<Linear> {
        let tensors = self.tensors;
        let Some((quant, stored)) = tensors.quantized(&weight.name) else {
            return Ok(Linear::new(self.read(weight).await?));
        };
        let Weight { name, shape, .. } = weight;
        let mut matrix = QuantizedMatrix::new(shape[1]);
        for piece in &stored.pieces {
            let bytes = tensors.piece(stored, piece).await?;
            let count = bytes.len();
            let pushed = matrix.push(quant, piece.rows, bytes, self.device);
            pushed.map_err(|error| of_tensor(name, &error))?;
            if let Some(Bits::Device(bits)) = matrix.pieces.last().map(|piece| &piece.bits) {
                self.uploaded(count, &bits.row_scales).await?;
            }
            self.advance(count as u64).await?;
        }
        if let Some(stored) = tensors.rows(name, shape)? {
            self.held.push(HeldMatrix {
                name: name.clone(),
                matrix: matrix.clone(),
                first_row: 0,
                stored,
            });
        }
        Ok(Linear::quantized(matrix))
    }

    /// The next `count` linear layers, which share an input; either all have a bias or none has.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn stacked(&mut self, count: usize) -> Result<Stacked> {
        let (mut weights, mut biases) = (Vec::with_capacity(count), Vec::new());
        for _ in 0..count {
            weights.push(self.next(&[Kind::LayerMatrix])?);
            biases.extend(self.bias().await?);
        }
        if self.joins
            && let Some(joined) = self.joined(&weights).await?
        {
            let bias = (!biases.is_empty()).then(|| Tensor::cat(biases, 0));
            return Ok(Stacked::Joined(joined.with_bias(bias)));
        }
        let mut linears = Vec::with_capacity(count);
        let mut biases = biases.into_iter();
        for weight in &weights {
            linears.push(self.matrix(weight).await?.with_bias(biases.next()));
        }
        Ok(Stacked::Apart(linears))
    }

    /// Joins `weights` into one layer; None if their formats differ, or together they are too large for a binding.
    async fn joined(&mut self, weights: &[Weight]) -> Result<Option<Linear>> {
        let tensors = self.tensors;
        let heights: Vec<usize> = weights.iter().map(|weight| weight.shape[0]).collect();
        let rows: usize = heights.iter().sum();
        let inputs = weights.first().map_or(0, |weight| weight.shape[1]);
        let stored: Vec<_> = weights
            .iter()
            .filter_map(|weight| tensors.quantized(&weight.name))
            .collect();
        if stored.is_empty() && rows * inputs * size_of::<f32>() <= JOINED_MAX {
            let mut parts = Vec::with_capacity(weights.len());
            for weight in weights {
                parts.push(self.read(weight).await?);
            }
            return Ok(Some(Linear::new(Tensor::cat(parts, 0))));
        }
        let Some(&(quant, _)) = stored.first() else {
            return Ok(None);
        };
        let is_alike = stored.len() == weights.len()
            && stored
                .iter()
                .all(|(other, stored)| *other == quant && stored.pieces.len() == 1);
        let Some(mut stack) = Stack::new(quant, &heights, inputs)
            .filter(|stack| is_alike && stack.byte_count() <= JOINED_MAX)
        else {
            return Ok(None);
        };
        for (weight, (_, stored)) in weights.iter().zip(&stored) {
            let bytes = tensors.piece(stored, &stored.pieces[0]).await?;
            stack
                .push(&bytes)
                .map_err(|error| of_tensor(&weight.name, &error))?;
            self.advance(bytes.len() as u64).await?;
        }
        let mut matrix = QuantizedMatrix::new(inputs);
        let bytes = Bytes::from(stack.into_bytes());
        let count = bytes.len();
        let pushed = matrix.push(quant, rows, bytes, self.device);
        pushed.map_err(|error| of_tensor(&weights[0].name, &error))?;
        if let Some(Bits::Device(bits)) = matrix.pieces.last().map(|piece| &piece.bits) {
            self.uploaded(count, &bits.row_scales).await?;
        }
        let mut first_row = 0;
        for weight in weights {
            if let Some(stored) = tensors.rows(&weight.name, &weight.shape)? {
                self.held.push(HeldMatrix {
                    name: weight.name.clone(),
                    matrix: matrix.clone(),
                    first_row,
                    stored,
                });
            }
            first_row += weight.shape[0];
        }
        Ok(Some(Linear::quantized(matrix)))
    }

    /// A LayerNorm.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn layer_norm(&mut self, eps: f64) -> Result<LayerNorm> {
        let weight = self.tensor(Kind::Norm).await?;
        let bias = self.tensor(Kind::Bias).await?;
        Ok(LayerNorm::new(weight, bias, eps))
    }

    /// An RMSNorm.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn rms_norm(&mut self, eps: f64) -> Result<RmsNorm> {
        Ok(RmsNorm::new(self.tensor(Kind::Norm).await?, eps))
    }

    /// The token embeddings: a table on the device, or rows read on demand.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn embedding(&mut self) -> Result<Embedding> {
        let weight = self.next(&[Kind::Embeddings])?;
        Ok(match self.tensors.rows(&weight.name, &weight.shape)? {
            Some(rows) => Embedding::stored(rows),
            None => Embedding::table(self.read(&weight).await?),
        })
    }

    /// Token embeddings, and the layer from hidden states to logits that shares their matrix.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn tied_embedding(&mut self) -> Result<(Embedding, Linear)> {
        let weight = self.next(&[Kind::TiedEmbeddings])?;
        Ok(match self.tensors.rows(&weight.name, &weight.shape)? {
            Some(rows) => (Embedding::stored(rows), self.matrix(&weight).await?),
            None => {
                let table: Tensor<2> = self.read(&weight).await?;
                (Embedding::table(table.clone()), Linear::new(table))
            }
        })
    }
}

/// The module and its list of weights disagree: a bug in this program.
fn disagree(found: &str, wanted: &str) -> Error {
    let reason = format!("a fault of this program: {wanted} was to be read");
    Error::checkpoint(found, reason)
}
