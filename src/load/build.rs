//! From a checkpoint to the model's modules on a device, one tensor at a time.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use bytes::Bytes;

use super::HeldMatrix;
use crate::config::{Config, Fusion};
use crate::error::{Error, Result};
use crate::gpu::cpu::is_host;
use crate::gpu::quantized::{Bits, QuantizedMatrix};
use crate::gpu::read::settle;
use crate::language::decoder::{Decoder, DecoderLayer};
use crate::language::embedding::Embedding;
use crate::nn::{LayerNorm, Linear, RmsNorm, Stacked};
use crate::progress::{Phase, Watch};
use crate::quant::Stack;
use crate::vision::clip::{ClipLayer, ClipTower};
use crate::vision::enhance::{DemAttention, Enhancement};
use crate::vision::fusion::{
    Conv3x3, Elementwise, FusionMlp, FusionModule, LinearConcat, Operation, WeightedAddition,
};
use crate::vision::perspectives::Perspectives;
use crate::vision::projector::Projector;
use crate::weights::names::{self, DEM, EMBEDDINGS, LANGUAGE, PROJECTOR, VISION};
use crate::weights::tensors::Tensors;

/// Reads tensors, uploads them, and tells how far it is.
pub struct Builder<'a, 'w, T> {
    tensors: &'a T,
    config: &'a Config,
    device: &'a Device,
    watch: &'a mut Watch<'w>,
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
    /// Checks first that every tensor is there with its shape, so that a checkpoint that lacks one
    /// is refused before anything is uploaded.
    ///
    /// # Errors
    /// As [`Tensors::check`].
    pub fn new(
        tensors: &'a T,
        config: &'a Config,
        device: &'a Device,
        watch: &'a mut Watch<'w>,
    ) -> Result<Self> {
        let names = names::tensors(config);
        tensors.check_all(&names)?;
        // Embeddings whose rows are read when a token needs them are not read now.
        let mut total = 0;
        for (name, shape) in names {
            if name != EMBEDDINGS || tensors.rows(&name, &shape)?.is_none() {
                total += tensors.stored_bytes(&name, &shape);
            }
        }
        Ok(Builder {
            tensors,
            config,
            device,
            watch,
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

    async fn tensor<const D: usize>(&mut self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let values = self.tensors.read_f32(name, &shape).await?;
        let count = values.len();
        let tensor = Tensor::from_data(TensorData::new(values, shape), self.device);
        self.uploaded(count * size_of::<f32>(), &tensor).await?;
        self.advance(self.tensors.stored_bytes(name, &shape))
            .await?;
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

    async fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<Linear> {
        let linear = self.linear_without_bias(name, inputs, outputs).await?;
        let bias = self.tensor(&format!("{name}.bias"), [outputs]).await?;
        Ok(linear.with_bias(bias))
    }

    async fn linear_without_bias(
        &mut self,
        name: &str,
        inputs: usize,
        outputs: usize,
    ) -> Result<Linear> {
        let name = format!("{name}.weight");
        let tensors = self.tensors;
        let Some((quant, stored)) = tensors.quantized(&name) else {
            return Ok(Linear::new(self.tensor(&name, [outputs, inputs]).await?));
        };
        let mut matrix = QuantizedMatrix::new(inputs);
        for piece in &stored.pieces {
            let bytes = tensors.piece(stored, piece).await?;
            let count = bytes.len();
            let pushed = matrix.push(quant, piece.rows, bytes, self.device);
            pushed.map_err(|error| of_tensor(&name, &error))?;
            if let Some(Bits::Device(bits)) = matrix.pieces.last().map(|piece| &piece.bits) {
                self.uploaded(count, &bits.row_scales).await?;
            }
            self.advance(count as u64).await?;
        }
        if let Some(stored) = tensors.rows(&name, &[outputs, inputs])? {
            let matrix = matrix.clone();
            self.held.push(HeldMatrix {
                name,
                matrix,
                first_row: 0,
                stored,
            });
        }
        Ok(Linear::quantized(matrix))
    }

    /// Layers `names` of so many outputs each, which read the same `inputs`.
    async fn stacked(&mut self, inputs: usize, names: &[(String, usize)]) -> Result<Stacked> {
        if self.joins
            && let Some(joined) = self.joined(inputs, names).await?
        {
            return Ok(Stacked::Joined(joined));
        }
        let mut linears = Vec::with_capacity(names.len());
        for (name, outputs) in names {
            linears.push(self.linear_without_bias(name, inputs, *outputs).await?);
        }
        Ok(Stacked::Apart(linears))
    }

    /// One layer of all `names`; None where they are held in different ways, or together are too large for a binding.
    async fn joined(&mut self, inputs: usize, names: &[(String, usize)]) -> Result<Option<Linear>> {
        let tensors = self.tensors;
        let names: Vec<(String, usize)> = names
            .iter()
            .map(|(name, outputs)| (format!("{name}.weight"), *outputs))
            .collect();
        let rows: usize = names.iter().map(|(_, outputs)| outputs).sum();
        let stored: Vec<_> = names
            .iter()
            .filter_map(|(name, _)| tensors.quantized(name))
            .collect();
        if stored.is_empty() && rows * inputs * size_of::<f32>() <= JOINED_MAX {
            let mut weights = Vec::with_capacity(names.len());
            for (name, outputs) in &names {
                weights.push(self.tensor(name, [*outputs, inputs]).await?);
            }
            return Ok(Some(Linear::new(Tensor::cat(weights, 0))));
        }
        let Some(&(quant, _)) = stored.first() else {
            return Ok(None);
        };
        let is_alike = stored.len() == names.len()
            && stored
                .iter()
                .all(|(other, stored)| *other == quant && stored.pieces.len() == 1);
        let heights: Vec<usize> = names.iter().map(|&(_, outputs)| outputs).collect();
        let Some(mut stack) = Stack::new(quant, &heights, inputs)
            .filter(|stack| is_alike && stack.byte_count() <= JOINED_MAX)
        else {
            return Ok(None);
        };
        for ((name, _), (_, stored)) in names.iter().zip(&stored) {
            let bytes = tensors.piece(stored, &stored.pieces[0]).await?;
            stack
                .push(&bytes)
                .map_err(|error| of_tensor(name, &error))?;
            self.advance(bytes.len() as u64).await?;
        }
        let mut matrix = QuantizedMatrix::new(inputs);
        let bytes = Bytes::from(stack.into_bytes());
        let count = bytes.len();
        let pushed = matrix.push(quant, rows, bytes, self.device);
        pushed.map_err(|error| of_tensor(&names[0].0, &error))?;
        if let Some(Bits::Device(bits)) = matrix.pieces.last().map(|piece| &piece.bits) {
            self.uploaded(count, &bits.row_scales).await?;
        }
        let mut first_row = 0;
        for (name, outputs) in names {
            if let Some(stored) = tensors.rows(&name, &[outputs, inputs])? {
                let matrix = matrix.clone();
                self.held.push(HeldMatrix {
                    name,
                    matrix,
                    first_row,
                    stored,
                });
            }
            first_row += outputs;
        }
        Ok(Some(Linear::quantized(matrix)))
    }

    async fn layer_norm(&mut self, name: &str) -> Result<LayerNorm> {
        let vision = &self.config.vision;
        let weight = self
            .tensor(&format!("{name}.weight"), [vision.hidden_size])
            .await?;
        let bias = self
            .tensor(&format!("{name}.bias"), [vision.hidden_size])
            .await?;
        Ok(LayerNorm::new(weight, bias, vision.layer_norm_eps))
    }

    async fn rms_norm(&mut self, name: &str) -> Result<RmsNorm> {
        let language = &self.config.language;
        let weight = self
            .tensor(&format!("{name}.weight"), [language.hidden_size])
            .await?;
        Ok(RmsNorm::new(weight, language.rms_norm_eps))
    }

    /// The vision tower, without its last layer.
    ///
    /// # Errors
    /// As [`Tensors::read_f32`]; [`crate::Error::Stopped`].
    pub async fn clip_tower(&mut self) -> Result<ClipTower> {
        let config = self.config.vision.clone();
        let c = config.hidden_size;
        let embeddings = format!("{VISION}.embeddings");
        let class_embedding = self
            .tensor(&format!("{embeddings}.class_embedding"), [c])
            .await?;
        let patch = self
            .tensor(
                &format!("{embeddings}.patch_embedding.weight"),
                [c, 3, config.patch_px, config.patch_px],
            )
            .await?
            .reshape([c, 3 * config.patch_px * config.patch_px]);
        let tokens = config.tokens_per_side().pow(2) + 1;
        let positions = self
            .tensor(
                &format!("{embeddings}.position_embedding.weight"),
                [tokens, c],
            )
            .await?;
        let pre_layernorm = self.layer_norm(&format!("{VISION}.pre_layrnorm")).await?;
        let mut layers = Vec::with_capacity(config.layers_run());
        for index in 0..config.layers_run() {
            let layer = format!("{VISION}.encoder.layers.{index}");
            layers.push(ClipLayer {
                layer_norm1: self.layer_norm(&format!("{layer}.layer_norm1")).await?,
                q_proj: self
                    .linear(&format!("{layer}.self_attn.q_proj"), c, c)
                    .await?,
                k_proj: self
                    .linear(&format!("{layer}.self_attn.k_proj"), c, c)
                    .await?,
                v_proj: self
                    .linear(&format!("{layer}.self_attn.v_proj"), c, c)
                    .await?,
                out_proj: self
                    .linear(&format!("{layer}.self_attn.out_proj"), c, c)
                    .await?,
                layer_norm2: self.layer_norm(&format!("{layer}.layer_norm2")).await?,
                fc1: self
                    .linear(&format!("{layer}.mlp.fc1"), c, config.intermediate_size)
                    .await?,
                fc2: self
                    .linear(&format!("{layer}.mlp.fc2"), config.intermediate_size, c)
                    .await?,
                heads: config.num_attention_heads,
            });
        }
        Ok(ClipTower {
            class_embedding: Param::from_tensor(class_embedding),
            patch_embedding: Linear::new(patch),
            position_embedding: Param::from_tensor(positions),
            pre_layernorm,
            layers,
        })
    }

    /// What follows the tower.
    ///
    /// # Errors
    /// As [`Builder::clip_tower`].
    pub async fn perspectives(&mut self) -> Result<Perspectives> {
        Ok(Perspectives {
            enhancement: self.enhancement().await?,
            projector: self.projector().await?,
        })
    }

    /// The enhancement module, where the configuration has one.
    ///
    /// # Errors
    /// As [`Builder::clip_tower`].
    pub async fn enhancement(&mut self) -> Result<Option<Enhancement>> {
        if !self.config.ablation.modules.has_enhancement() {
            return Ok(None);
        }
        let (first, second) = names::attentions(self.config);
        let attention = self.dem_attention(first).await?;
        let local_attention = match second {
            Some(name) => Some(self.dem_attention(name).await?),
            None => None,
        };
        Ok(Some(Enhancement {
            attention,
            local_attention,
            fusion: self.fusion().await?,
            norm: self.layer_norm(&format!("{DEM}.ln_fuse")).await?,
            heads: self.config.dem_heads,
        }))
    }

    async fn dem_attention(&mut self, name: &str) -> Result<DemAttention> {
        let c = self.config.vision.hidden_size;
        let linears = format!("{DEM}.{name}.linears");
        Ok(DemAttention {
            query: self.linear(&format!("{linears}.0"), c, c).await?,
            key: self.linear(&format!("{linears}.1"), c, c).await?,
            value: self.linear(&format!("{linears}.2"), c, c).await?,
            out: self.linear(&format!("{linears}.3"), c, c).await?,
            norm: self.layer_norm(&format!("{DEM}.{name}.ln")).await?,
        })
    }

    async fn fusion(&mut self) -> Result<FusionModule> {
        let c = self.config.vision.hidden_size;
        let elementwise = |operation| FusionModule::Elementwise(Elementwise { operation });
        Ok(match self.config.ablation.fusion {
            Fusion::LinearConcat => FusionModule::LinearConcat(LinearConcat {
                ffn_crop: self.fusion_mlp("ffn_crop").await?,
                ffn_stride: self.fusion_mlp("ffn_stride").await?,
            }),
            Fusion::Conv3x3 => {
                let weight = format!("{DEM}.conv_fuse.weight");
                let bias = format!("{DEM}.conv_fuse.bias");
                FusionModule::Conv3x3(Conv3x3 {
                    weight: Param::from_tensor(self.tensor(&weight, [c, 2 * c, 3, 3]).await?),
                    bias: Param::from_tensor(self.tensor(&bias, [c]).await?),
                })
            }
            Fusion::WeightedAddition => {
                let (crop, stride) = (format!("{DEM}.weight_crop"), format!("{DEM}.weight_stride"));
                FusionModule::WeightedAddition(WeightedAddition {
                    crop: Param::from_tensor(self.tensor(&crop, [c]).await?),
                    stride: Param::from_tensor(self.tensor(&stride, [c]).await?),
                })
            }
            Fusion::Multiplication => elementwise(Operation::Multiplication),
            Fusion::Maxpool => elementwise(Operation::Maximum),
            Fusion::Addition => elementwise(Operation::Addition),
        })
    }

    async fn fusion_mlp(&mut self, name: &str) -> Result<FusionMlp> {
        let c = self.config.vision.hidden_size;
        Ok(FusionMlp {
            down: self.linear(&format!("{DEM}.{name}.0"), c, c / 16).await?,
            up: self
                .linear(&format!("{DEM}.{name}.2"), c / 16, c / 2)
                .await?,
        })
    }

    /// The projector.
    ///
    /// # Errors
    /// As [`Builder::clip_tower`].
    pub async fn projector(&mut self) -> Result<Projector> {
        let (c, hidden) = (
            self.config.vision.hidden_size,
            self.config.language.hidden_size,
        );
        Ok(Projector {
            first: self.linear(&format!("{PROJECTOR}.0"), c, hidden).await?,
            second: self
                .linear(&format!("{PROJECTOR}.2"), hidden, hidden)
                .await?,
        })
    }

    /// The decoder.
    ///
    /// # Errors
    /// As [`Builder::clip_tower`].
    pub async fn decoder(&mut self) -> Result<Decoder> {
        let config = self.config.language.clone();
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let key_value = config.num_key_value_heads * config.head_dim();
        let vocabulary = [config.vocab_size, hidden];
        let embed_tokens = match self.tensors.rows(EMBEDDINGS, &vocabulary)? {
            Some(rows) => Embedding::stored(rows),
            None => Embedding::table(self.tensor(EMBEDDINGS, vocabulary).await?),
        };
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            let layer = format!("{LANGUAGE}.layers.{index}");
            let attention = [
                ("q_proj", hidden),
                ("k_proj", key_value),
                ("v_proj", key_value),
            ];
            let qkv =
                attention.map(|(name, outputs)| (format!("{layer}.self_attn.{name}"), outputs));
            let gate_up =
                ["gate_proj", "up_proj"].map(|name| (format!("{layer}.mlp.{name}"), inner));
            layers.push(DecoderLayer {
                input_layernorm: self.rms_norm(&format!("{layer}.input_layernorm")).await?,
                qkv_proj: self.stacked(hidden, &qkv).await?,
                o_proj: self
                    .linear_without_bias(&format!("{layer}.self_attn.o_proj"), hidden, hidden)
                    .await?,
                post_attention_layernorm: self
                    .rms_norm(&format!("{layer}.post_attention_layernorm"))
                    .await?,
                gate_up_proj: self.stacked(hidden, &gate_up).await?,
                down_proj: self
                    .linear_without_bias(&format!("{layer}.mlp.down_proj"), inner, hidden)
                    .await?,
                heads: config.num_attention_heads,
            });
        }
        let norm = self.rms_norm(&format!("{LANGUAGE}.norm")).await?;
        let lm_head = self
            .linear_without_bias("lm_head", hidden, config.vocab_size)
            .await?;
        Ok(Decoder {
            embed_tokens,
            layers,
            norm,
            lm_head,
        })
    }
}
