//! A loaded model: configuration, tokenizer and modules on a device.

mod estimate;
mod kernels;
mod read;

use std::rc::Rc;

use burn::tensor::Tensor;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::gpu::adapter;
use crate::gpu::device::ChosenDevice;
use crate::gpu::rope::Rope;
use crate::image::{Limits, Picture, WHITE, decode_on};
use crate::language::decoder::Decoder;
use crate::language::splice::{Run, inputs_embeds};
use crate::load::Builder;
use crate::load::{HeldMatrix, ReadBack, read_back};
use crate::progress::Watch;
use crate::reply::ModelInfo;
use crate::sequence::{Chunk, Media, Sequence};
use crate::spec::plan::Coverage;
use crate::text::Tokenizer;
use crate::text::prompt::{Prompt, PromptChoice};
use crate::vision::encoder::VisionEncoder;
use crate::weights::checkpoint::Checkpoint;
use crate::weights::converted::Converted;
use crate::weights::source::{AnySource, Source};
use crate::weights::tensors::Tensors;
use read::{read_prompting, read_tokenizer};

pub use crate::weights::settings::{
    CONFIG_CAP, chat_template, read_checkpoint_config, read_config,
};
pub use estimate::{Estimate, activation_bytes};
pub use kernels::without_kernel;

/// A model, ready to answer questions about pictures.
pub struct Model {
    /// Its configuration.
    pub config: Config,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// How a conversation becomes a sequence.
    pub prompt: Prompt,
    /// Pictures -> visual tokens; none of a language model ([`Model::vision`]).
    pub encoder: Option<VisionEncoder>,
    /// Embeddings -> logits.
    pub decoder: Decoder,
    /// Rotary tables for the whole context.
    pub rope: Rope,
    /// The device it runs on.
    pub device: ChosenDevice,
    /// The maximum length of a conversation in tokens.
    pub context_tokens: usize,
    /// Size of the stored weights in bytes.
    pub stored_bytes: u64,
    /// Its memory requirements.
    pub estimate: Estimate,
    /// Where it was read from; embeddings may be read from it on demand.
    source: Rc<dyn AnySource>,
    /// Its quantised matrices, for [`Model::read_back`].
    held: Vec<HeldMatrix>,
}

async fn modules(
    tensors: &impl Tensors,
    config: &Config,
    device: &ChosenDevice,
    watch: &mut Watch<'_>,
) -> Result<(Option<VisionEncoder>, Decoder, Vec<HeldMatrix>)> {
    let mut builder = Builder::new(tensors, &config.weights(), &device.device, watch)?;
    let encoder = match &config.vision {
        Some(vision) => Some(VisionEncoder::load(vision, &device.device, &mut builder).await?),
        None => None,
    };
    let decoder = Decoder::load(&config.decoder, &mut builder).await?;
    Ok((encoder, decoder, builder.into_held()))
}

impl Model {
    /// Loads a model folder, a checkpoint's or a converted one, onto `device`. The order is: configuration, estimate,
    /// tokenizer, headers, and only then weights.
    ///
    /// # Errors
    /// Anything missing, broken or too large, before anything is computed; [`Error::Stopped`].
    pub async fn load<S: Source + 'static>(
        source: S,
        device: &ChosenDevice,
        context_tokens: Option<usize>,
        watch: &mut Watch<'_>,
    ) -> Result<Model> {
        let own = &PromptChoice::Own;
        Self::load_with_prompt(source, device, context_tokens, own, watch).await
    }

    /// As [`Model::load`], to be asked with another prompt than its own.
    ///
    /// # Errors
    /// As [`Model::load`]; [`Error::Config`] and [`Error::Tokenizer`] for a chat template, and for a tokenizer that does not
    /// go with it.
    pub async fn load_with_prompt<S: Source + 'static>(
        source: S,
        device: &ChosenDevice,
        context_tokens: Option<usize>,
        choice: &PromptChoice,
        watch: &mut Watch<'_>,
    ) -> Result<Model> {
        adapter::recover(&device.device);
        let source = Rc::new(source);
        let (mut config, manifest) = read_config(source.as_ref()).await?;
        let context_tokens = config.context_tokens(context_tokens)?;
        let estimate = Estimate::new(&config, manifest.as_ref(), context_tokens);
        estimate.check(device)?;
        watch.stop.check()?;
        let (tokenizer, json) = read_tokenizer(source.as_ref(), &config).await?;
        let texts = (&tokenizer, json.as_slice());
        let prompt = read_prompting(source.as_ref(), choice, &mut config, texts).await?;

        let (modules, stored_bytes) = match manifest {
            Some(manifest) => {
                let bytes = manifest.shard_bytes();
                let converted = Converted::new(source.clone(), manifest)?;
                (modules(&converted, &config, device, watch).await?, bytes)
            }
            None => {
                let checkpoint = Checkpoint::open(source.clone()).await?;
                let bytes = checkpoint.stored_bytes();
                (modules(&checkpoint, &config, device, watch).await?, bytes)
            }
        };
        // The files read first may belong to a different model than those read last.
        source.unchanged()?;
        let (encoder, decoder, held) = modules;
        let rope = Rope::new(context_tokens, &config.decoder, &device.device);
        Ok(Model {
            stored_bytes,
            config,
            tokenizer,
            prompt,
            encoder,
            decoder,
            rope,
            device: device.clone(),
            context_tokens,
            estimate,
            source,
            held,
        })
    }

    /// The vision side.
    ///
    /// # Errors
    /// [`Error::Config`] for a language model.
    pub fn vision(&self) -> Result<&VisionEncoder> {
        self.config.require_vision("looking at a picture")?;
        self.encoder.as_ref().ok_or_else(|| Error::Option {
            option: "picture".into(),
            reason: "this model was loaded without its vision side".into(),
        })
    }

    /// What should be known of a system message before the answer is believed.
    pub fn about_system(&self, system: &str) -> Option<&'static str> {
        if system.trim().is_empty() || self.prompt.has_system() {
            return None;
        }
        Some(match self.config.scope {
            Some(_) => {
                "The model was trained on one kind of question; the system message was left out."
            }
            None => {
                "The model's prompt has no place for a system message; it went in front of the first question."
            }
        })
    }

    /// What it is, and where it runs. `name`: what to call it.
    pub fn info(&self, name: &str) -> ModelInfo {
        let config = &self.config;
        let vision = config.vision.as_ref();
        let layout = vision.and_then(|vision| vision.largest_layout(Coverage::Live).ok());
        ModelInfo {
            name: name.into(),
            device: self.device.name.clone(),
            device_notice: self.device.notice.clone(),
            parameters: self.estimate.parameters,
            weights_bytes: self.stored_bytes,
            crops_per_side: config.dual().map_or(1, |dual| dual.crops_per_side),
            crop_px: vision.map_or(0, |vision| vision.tower.view_px),
            image_px: layout.as_ref().map_or(0, |layout| layout.size_px()[0]),
            image_tokens: layout.as_ref().map_or(0, |layout| layout.tokens),
            most_pictures: vision.map_or(Some(0), |vision| vision.most_pictures()),
            has_detail: vision.is_some_and(|vision| vision.has_detail()),
            has_map: vision.is_some_and(|vision| vision.has_map()),
            sees_videos: vision.is_some_and(|vision| vision.sees_videos()),
            context_tokens: self.context_tokens,
            vocabulary: config.decoder.vocab_size,
            random_weights: config.random_weights,
            scope: config.scope,
        }
    }

    /// Whether the model's files are unchanged since loading, where other programs can change them: checked before
    /// each question, so that no answer mixes two models.
    ///
    /// # Errors
    /// [`Error::ModelChanged`], which names the file; [`Error::FileAccess`]. The model must be loaded again.
    pub fn unchanged(&self) -> Result<()> {
        self.source.is_unchanged()
    }

    /// The bytes of a picture file -> its pixels.
    ///
    /// # Errors
    /// [`Error::ImageFormat`], [`Error::ImageDamaged`], [`Error::ImageTooLarge`].
    pub fn decode_picture(&self, file: &str, bytes: &[u8]) -> Result<Picture> {
        decode_on(file, bytes, &Limits::default(), self.ground())
    }

    /// The colour behind transparent pixels.
    pub fn ground(&self) -> [u8; 3] {
        let vision = self.config.vision.as_ref();
        vision.map_or(WHITE, |vision| vision.pixels.ground)
    }

    /// Compares `count` pieces of quantised weights, chosen at random by `seed`, with their files; none if the model
    /// is not quantised.
    ///
    /// # Errors
    /// As [`read_back`].
    pub async fn read_back(&self, count: usize, seed: u64) -> Result<ReadBack> {
        read_back(&self.held, self.source.as_ref(), count, seed).await
    }

    /// Embeds `sequence`, `[tokens, hidden]`; `visual_tokens` returns the visual tokens of a picture,
    /// `[tokens, hidden]`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for an id without a row; errors of `visual_tokens`, and of reading embeddings on demand.
    pub async fn embed(
        &self,
        sequence: &Sequence,
        visual_tokens: impl Fn(Media) -> Result<Tensor<2>>,
    ) -> Result<Tensor<2>> {
        // The ids of a restored answer come from outside and must be checked.
        let ids: Vec<u32> = sequence.text_ids().collect();
        self.tokenizer.check_rows(&ids)?;
        let embedding = &self.decoder.embed_tokens;
        let device = &self.device.device;
        let table = embedding.rows_for(ids.into_iter(), self.source.as_ref(), device);
        let (embed_tokens, rows) = table.await?;
        let runs = sequence.chunks().iter().map(|chunk| match chunk {
            Chunk::Text(ids) => Ok(Run::Rows(rows.of(ids))),
            Chunk::Media(media) => visual_tokens(*media).map(Run::Visual),
        });
        Ok(inputs_embeds(&embed_tokens, runs.collect::<Result<_>>()?))
    }
}
