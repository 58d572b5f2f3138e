//! A loaded model: configuration, tokenizer and modules on a device.

use std::collections::BTreeSet;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::config::{
    CHAT_TEMPLATE_FILE, CONFIG_FILE, Config, ConfigFiles, GENERATION_FILE, OwnPrompt,
    PREPROCESSOR_FILE, PROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, Vision,
};
use crate::error::{Error, Result};
use crate::gpu::adapter;
use crate::gpu::device::ChosenDevice;
use crate::gpu::rope::Rope;
use crate::image::{Limits, Picture, WHITE, decode_on};
use crate::language::decoder::Decoder;
use crate::language::decoder::PREFILL_CHUNK;
use crate::language::splice::{Run, inputs_embeds};
use crate::load::Builder;
use crate::load::{HeldMatrix, ReadBack, read_back};
use crate::progress::Watch;
use crate::reply::ModelInfo;
use crate::sequence::{Chunk, Media, Sequence};
use crate::spec::plan::Coverage;
use crate::spec::{CanvasLayout, Layout, parameters};
use crate::text::prompt::{
    Found, NamedTokens, PROMPT_FILES, Placeholders, Prompt, PromptChoice, Template, begin_ids,
    conversation as conversation_template, read_prompt,
};
use crate::text::{Tokenizer, stops};
use crate::vision::encoder::{TOKENS_PER_BATCH, VisionEncoder};
use crate::weights::checkpoint::{Checkpoint, tensor_names};
use crate::weights::converted::{Converted, read_manifest};
use crate::weights::manifest::{Manifest, as_floats};
use crate::weights::source::{AnySource, Source, read_file, require_file};
use crate::weights::tensors::Tensors;

/// Configurations are a few kB.
pub const CONFIG_CAP: u64 = 1 << 20;
/// Some of these files list thousands of added tokens.
const TOKENIZER_CONFIG_CAP: u64 = 16 << 20;
const MIB: u64 = 1 << 20;

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

/// The memory a model needs, known before any weight is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Number of parameters in the weights that are read.
    pub parameters: u64,
    /// Bytes of the weights on the device: f32, or quantised.
    pub weights_bytes: u64,
    /// Bytes of the key/value cache.
    pub cache_bytes: u64,
    /// Bytes of the largest single buffer.
    pub largest_tensor_bytes: u64,
    /// Peak bytes of the intermediate results: see [`activation_bytes`].
    pub activation_bytes: u64,
}

impl Estimate {
    /// For `config`, converted as in `manifest` if there is one, with room for `context_tokens`.
    pub fn new(config: &Config, manifest: Option<&Manifest>, context_tokens: usize) -> Self {
        let weights = config.weights();
        let sizes: Vec<(u64, u64)> = weights
            .iter()
            .map(|weight| match manifest {
                Some(manifest) => manifest.resident_bytes(weight),
                None => as_floats(&weight.shape),
            })
            .collect();
        Estimate {
            parameters: parameters(&weights),
            weights_bytes: sizes.iter().map(|(bytes, _)| bytes).sum(),
            cache_bytes: config.decoder.cache_bytes_per_token() * context_tokens as u64,
            largest_tensor_bytes: sizes.iter().map(|&(_, largest)| largest).max().unwrap_or(0),
            activation_bytes: activation_bytes(config, context_tokens),
        }
    }

    /// The sum of weights, cache and intermediate results.
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.cache_bytes + self.activation_bytes
    }

    /// # Errors
    /// [`Error::Memory`] if the model does not fit on `device`.
    pub fn check(&self, device: &ChosenDevice) -> Result<()> {
        let refuse = |what: &str, needed: u64, available: u64| {
            Err(Error::Memory {
                what: what.to_string(),
                needed_mib: needed.div_ceil(MIB),
                available_mib: available / MIB,
                device: device.name.clone(),
                hint: "; a smaller model or a converted (quantised) one may fit".into(),
            })
        };
        if self.largest_tensor_bytes > device.max_tensor_bytes {
            return refuse(
                "the largest tensor",
                self.largest_tensor_bytes,
                device.max_tensor_bytes,
            );
        }
        match device.free_bytes {
            Some(free) if self.total_bytes() > free => {
                refuse("this model", self.total_bytes(), free)
            }
            _ => Ok(()),
        }
    }
}

/// An upper bound of the intermediate results at their peak, in bytes: the larger of the vision side and the decoder.
/// With T tokens of a view inside the tower, R = max(T, 1024) rows of a batch or those of all views if they are
/// fewer, C channels, M of the MLP, H x W of the resized pictures, N² crops of each map:
///
/// - tower: `R (6 C + M + 3 patch²)`, the pictures' bytes `3 H W`, and the features of all views, twice: `2 views T C`
/// - enhancement, of INF-LLaVA: the features of both maps, their keys and values and intermediate results: `12 N² T C`
/// - decoder: embeddings of the whole prompt, at most `context D`, and for a chunk of P tokens
///   `P (8 D + 2 M)`, with D and M of the decoder; the logits, a row of the vocabulary.
///
/// Of a prompt's length, only the embeddings matter; the tower processes its passes in batches, however many there
/// are.
pub fn activation_bytes(config: &Config, context_tokens: usize) -> u64 {
    let decoder = &config.decoder;
    let hidden = decoder.hidden_size;
    let chunk = (2 * PREFILL_CHUNK).min(context_tokens);
    let answering = context_tokens * hidden
        + chunk * (8 * hidden + 2 * decoder.intermediate_size)
        + decoder.vocab_size;
    let seeing = config.vision.as_ref().map_or(0, seeing_numbers);
    (seeing.max(answering) * size_of::<f32>()) as u64
}

/// Intermediate results of the vision side at their peak.
fn seeing_numbers(vision: &Vision) -> usize {
    let tower = &vision.tower;
    let (tokens, channels) = (tower.tokens_inside(), tower.hidden_size);
    // A layout that cannot be had is refused where it is asked for.
    let layout = vision.largest_layout(Coverage::Dense).ok();
    let pixels = |canvas: &CanvasLayout| canvas.size_px[0] * canvas.size_px[1];
    let canvases = layout.iter().flat_map(|layout| &layout.canvases);
    let pixels: usize = canvases.map(pixels).sum();
    let views = layout.as_ref().map_or(1, Layout::passes);
    let rows = tokens.max(TOKENS_PER_BATCH).min(views * tokens);
    let seeing = rows * (6 * channels + tower.intermediate_size + tower.patch_len())
        + 3 * pixels
        + 2 * views * tokens * tower.feature_channels();
    let enhancement = vision.dual().map_or(0, |dual| {
        12 * dual.crops_per_side.pow(2) * tokens * channels
    });
    seeing.max(enhancement)
}

/// Reads and checks the configuration of a model folder: the one in the manifest of a converted model (the manifest
/// is returned too), otherwise its `config.json`, checking that the other files prepare pictures in the supported
/// way.
///
/// # Errors
/// [`Error::FileMissing`], [`Error::Config`], [`Error::Manifest`].
pub async fn read_config(source: &impl Source) -> Result<(Config, Option<Manifest>)> {
    let named = |error| located(source, error);
    if let Some(manifest) = read_manifest(source).await? {
        let generation = manifest.generation.to_string();
        let config = manifest.config.to_string();
        // Only what belongs to the model is read.
        let listed = async |file: &str| match manifest.files.iter().any(|own| own.file == file) {
            true => read_file(source, file, CONFIG_CAP).await,
            false => Ok(None),
        };
        let preprocessor = listed(PREPROCESSOR_FILE).await?;
        let processor = listed(PROCESSOR_FILE).await?;
        let config = Config::from_files(&ConfigFiles {
            config: config.as_bytes(),
            generation: Some(generation.as_bytes()),
            preprocessor: preprocessor.as_deref(),
            processor: processor.as_deref(),
            tensors: Some(&manifest.tensors.keys().cloned().collect()),
        });
        return Ok((config.map_err(named)?, Some(manifest)));
    }
    let config = read_checkpoint_config(source, None).await?;
    Ok((config, None))
}

/// As [`read_config`], of a checkpoint. `tensors`: the names of its tensors as in `spec`, where they are known; else
/// they are looked for where they may say more about the model.
///
/// # Errors
/// As [`read_config`].
pub async fn read_checkpoint_config(
    source: &impl Source,
    tensors: Option<BTreeSet<String>>,
) -> Result<Config> {
    let named = |error| located(source, error);
    let Some(config) = read_file(source, CONFIG_FILE, CONFIG_CAP).await? else {
        return Err(source.missing(CONFIG_FILE));
    };
    let generation = read_file(source, GENERATION_FILE, CONFIG_CAP).await?;
    let preprocessor = read_file(source, PREPROCESSOR_FILE, CONFIG_CAP).await?;
    let processor = read_file(source, PROCESSOR_FILE, CONFIG_CAP).await?;
    let files = ConfigFiles {
        config: &config,
        generation: generation.as_deref(),
        preprocessor: preprocessor.as_deref(),
        processor: processor.as_deref(),
        tensors: None,
    };
    // What is wrong with these files is told before the weights are looked at.
    let config = Config::from_files(&files).map_err(named)?;
    let tensors = match tensors {
        None if files.tensors_tell() => tensor_names(source).await?,
        known => known,
    };
    let tensors = tensors.as_ref();
    match tensors {
        Some(_) => Config::from_files(&ConfigFiles { tensors, ..files }).map_err(named),
        None => Ok(config),
    }
}

/// The tokenizer, and its file.
async fn read_tokenizer(source: &impl Source, config: &Config) -> Result<(Tokenizer, Vec<u8>)> {
    let json = require_file(source, TOKENIZER_FILE, Tokenizer::MAX_BYTES as u64).await?;
    let tokenizer = Tokenizer::from_bytes(&source.describe(TOKENIZER_FILE), &json)?;
    Ok((tokenizer.with_rows(config.decoder.vocab_size), json))
}

/// What `read` finds in tokenizer_config.json, if there is such a file.
async fn read_named<T>(
    source: &impl Source,
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let json = read_file(source, TOKENIZER_CONFIG_FILE, TOKENIZER_CONFIG_CAP).await?;
    let named = json.map(|json| read(&json)).transpose();
    named.map_err(|error| located(source, error))
}

/// The chat template among a model's files; most have one, INF-LLaVA's own is another ([`PromptChoice::Own`]).
///
/// # Errors
/// [`Error::Config`] where the first file that may have one cannot be read.
pub async fn chat_template(source: &impl Source) -> Result<Option<Found>> {
    for file in PROMPT_FILES {
        let Some(bytes) = read_file(source, file.name, file.most_bytes).await? else {
            continue;
        };
        let found = read_prompt(file.name, &bytes).map_err(|error| located(source, error))?;
        if let Some(found) = found {
            let file = source.describe(file.name);
            return Ok(Some(Found { file, ..found }));
        }
    }
    Ok(None)
}

/// How a conversation becomes a sequence; `config` is completed by what ends an answer then. `json` is the tokenizer's file.
async fn read_prompting(
    source: &impl Source,
    choice: &PromptChoice,
    config: &mut Config,
    (tokenizer, json): (&Tokenizer, &[u8]),
) -> Result<Prompt> {
    let of_checkpoint = async || match chat_template(source).await? {
        Some(found) => Ok(found),
        None => Err(source.missing(CHAT_TEMPLATE_FILE)),
    };
    let found = match (choice, config.prompt) {
        (PromptChoice::Own, OwnPrompt::ConvLlama3) | (PromptChoice::ConvLlama3, _) => None,
        (PromptChoice::Own, OwnPrompt::Conversation(conversation)) => {
            Some(conversation_template(conversation, tokenizer))
        }
        (PromptChoice::Own, OwnPrompt::Checkpoint) | (PromptChoice::Checkpoint, _) => {
            Some(of_checkpoint().await?)
        }
        (PromptChoice::Given(found), _) => Some(found.clone()),
    };
    let Some(found) = found else {
        let named = match config.eos_token_ids.is_empty() {
            true => read_named(source, stops::named_end).await?.flatten(),
            false => None,
        };
        stops::complete(config, tokenizer, named.as_deref())?;
        return Ok(Prompt::ConvLlama3 {
            bos: config.bos_token_id,
        });
    };
    let tokens: NamedTokens = read_named(source, stops::named_tokens)
        .await?
        .unwrap_or_default();
    let end = tokens.iter().find(|(name, _)| name == "eos_token");
    let end = end.map(|(_, token)| token.as_str());
    stops::complete_by_name(config, tokenizer, end).map_err(|error| located(source, error))?;
    let begin = begin_ids(&source.describe(TOKENIZER_FILE), json, tokenizer)?;
    let template = Template::new(found, tokens, begin, Placeholders::default())?;
    Ok(Prompt::Template(template.into()))
}

/// Adds the path or URL of the file to an error about a file of a model folder.
fn located(source: &impl Source, error: Error) -> Error {
    match error {
        Error::Config { file, reason } => Error::Config {
            file: source.describe(&file),
            reason,
        },
        other => other,
    }
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
