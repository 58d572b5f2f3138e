//! A checkpoint's tensors -> layers on a device, one after the other in the order of a part's list of weights.

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

/// Reads tensors, uploads them, and tells how far it is. What is read next is the next of the part's list, so that names
/// and shapes stand there alone.
pub struct Builder<'a, 'w, T> {
    tensors: &'a T,
    device: &'a Device,
    watch: &'a mut Watch<'w>,
    /// What is left of the part that is being read.
    part: IntoIter<Weight>,
    /// Bytes that were read, as they are stored.
    done: u64,
    /// Bytes to read.
    total: u64,
    held: Vec<HeldMatrix>,
    joins: bool,
    /// Bytes that were uploaded since the device was last waited for.
    uploading: usize,
}

/// So many bytes may queue up for the device before it is waited for.
const UPLOADING_MAX: usize = 32 << 20;
/// Matrices are joined up to so many bytes: what portable WebGPU lets a binding have.
const JOINED_MAX: usize = 128 << 20;

/// What went wrong with a quantised tensor, by its name.
fn of_tensor(name: &str, error: &Error) -> Error {
    Error::Quantised {
        reason: format!("tensor {name}: {error}"),
    }
}

impl<'a, 'w, T: Tensors> Builder<'a, 'w, T> {
    /// Checks first that every one of `weights`, which are a whole model's, is there with its shape, so that a checkpoint
    /// that lacks one is refused before anything is uploaded.
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
        // Embeddings whose rows are read when a token needs them are not read now.
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

    /// Keeps every tensor of the checkpoint a parameter of its own, as training wants them.
    pub fn apart(mut self) -> Self {
        self.joins = false;
        self
    }

    /// The quantised matrices of all modules that were built.
    pub fn into_held(self) -> Vec<HeldMatrix> {
        self.held
    }

    /// What `build` makes of the tensors of `list`, all of which it takes, in order.
    ///
    /// # Errors
    /// What `build` fails with.
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

    /// The next of the list, which is one of `kinds`.
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

    /// A tensor as it is.
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

    /// Counts `bytes` more on their way to the device, `last` behind them, and waits for it where they are many: until it
    /// has them they are held in memory as well.
    async fn uploaded<const D: usize>(&mut self, bytes: usize, last: &Tensor<D>) -> Result<()> {
        self.uploading += bytes;
        if self.uploading > UPLOADING_MAX {
            self.uploading = 0;
            settle(last).await?;
        }
        Ok(())
    }

    /// Tells that so many bytes more were read, as they are stored.
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

    /// The bias of what was read last, if it has one.
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

    /// The next `count` linear layers, which read the same input; all have a bias, or none.
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

    /// One layer of all `weights`; None where they are held in different ways, or together are too large for a binding.
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

    /// The embeddings of tokens: a table on the device, or rows that are read when they are needed.
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

    /// Embeddings, and the layer from hidden states to logits that has the same matrix.
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

/// A module that does not read what its list has: a fault of this program.
fn disagree(found: &str, wanted: &str) -> Error {
    let reason = format!("a fault of this program: {wanted} was to be read");
    Error::checkpoint(found, reason)
}
