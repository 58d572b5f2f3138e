//! The stages of an answer, each timed until its result can be read, and compared with the same stage on the CPU.

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;

use super::compare::{check, random};
use super::synthetic::{Synthetic, config_of};
use crate::config::{Config, Treatment};
use crate::error::{Error, Result};
use crate::gpu::kernel::launches;
use crate::gpu::memory;
use crate::gpu::read::{read, settle};
use crate::gpu::rope::Rope;
use crate::gpu::submissions::Rule;
use crate::gpu::submissions::{self};
use crate::image::{Picture, square_u8};
use crate::language::decoder::Decoder;
use crate::language::decoder::PREFILL_CHUNK;
use crate::language::kv_cache::KvCache;
use crate::load::Builder;
use crate::platform::Timer;
use crate::progress::StopFlag;
use crate::progress::Watch;
use crate::recorder::Recorder;
use crate::spec::Tiling;
use crate::spec::plan::Coverage;
use crate::vision::dem::{DemConnector, Features, Prepared};
use crate::vision::encoder::{Views, VisionEncoder};

/// The stages that [`time_stage`] can time.
pub const STAGES: &[&str] = &[
    "resize",
    "vision",
    "vision_dense",
    "enhance",
    "enhance_dense",
    "projector",
    "prefill",
    "decode",
    "first_token",
];
/// Width and height of the picture, in pixels.
const PICTURE: [usize; 2] = [1344, 1008];
/// Tokens of a prompt, excluding the picture's.
const QUESTION: usize = 64;
/// Largest error allowed, relative to the root mean square of the expected values: a stage is many operations deep.
const LIMIT: f64 = 1e-3;

/// The measured times of a stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageTiming {
    /// One of [`STAGES`].
    pub name: String,
    /// Its sizes, as text.
    pub shape: String,
    /// Milliseconds of each run, from the first launch until a value can be read.
    pub ms: Vec<f64>,
    /// Milliseconds of each run until the host has nothing left to do; equals `ms` if the host waits in between.
    pub host_ms: Vec<f64>,
    /// This crate's kernels that a run launches.
    pub launches: u64,
    /// Device memory in use after the runs in bytes, weights included, if known.
    pub bytes_in_use: Option<u64>,
    /// Peak device memory during a run.
    pub peak_bytes: Option<u64>,
    /// The longest submissions to the device, if they were timed.
    pub submissions: Option<Submissions>,
    /// Largest error, relative to the root mean square of the expected values.
    pub error: f64,
}

/// Times of the submissions of a run, each waited for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Submissions {
    /// Number of submissions.
    pub count: usize,
    /// The longest, in milliseconds.
    pub longest_ms: f64,
    /// The longest without [`crate::gpu::pace`]: unsplit launches, [`UNPACED_LAUNCHES`] per submission.
    pub longest_unpaced_ms: f64,
}

/// Launches per submission where nothing forces an earlier one.
const UNPACED_LAUNCHES: u32 = 32;

/// What to time, and in which sizes.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// One of [`STAGES`].
    pub stage: &'a str,
    /// One of [`super::SHAPES`].
    pub shape: &'a str,
    /// Layers of each tower, in the shape `8b`.
    pub layers: usize,
    /// Tokens before the decoded one; by default those of a picture and a short question.
    pub context: Option<usize>,
    /// Crops per side N; by default the shape's own.
    pub crops: Option<usize>,
    /// Also time each submission to the device.
    pub submissions: bool,
}

impl<'a> Asked<'a> {
    /// A stage in a shape, with one layer if the shape is `8b`.
    pub fn new(stage: &'a str, shape: &'a str) -> Self {
        Asked {
            stage,
            shape,
            layers: 1,
            context: None,
            crops: None,
            submissions: false,
        }
    }
}

/// Times a stage on `device`: one run to compile its pipelines, then `runs`.
///
/// # Errors
/// [`Error::Option`] for an unknown name, [`Error::Device`] if the result is wrong.
pub async fn time_stage(device: &Device, asked: &Asked<'_>, runs: usize) -> Result<StageTiming> {
    let mut config = config_of(asked.shape, asked.layers)?;
    if let (Some(crops_per_side), Some(vision)) = (asked.crops, &mut config.vision) {
        vision.tiling = Tiling::Dual { crops_per_side };
    }
    let expected = {
        let mut stage = Stage::new(asked, &config, &Device::flex()).await?;
        read(stage.run().await?.0).await?
    };
    let mut stage = Stage::new(asked, &config, device).await?;
    let (first, _) = stage.run().await?;
    let error = check(device, asked.stage, &read(first).await?, &expected, LIMIT)?;
    let (mut ms, mut host_ms) = (Vec::new(), Vec::new());
    let before = launches();
    for _ in 0..runs {
        let timer = Timer::start();
        let (result, host) = stage.run().await?;
        settle(&result).await?;
        ms.push(timer.elapsed_ms());
        host_ms.push(host);
    }
    let launched = (launches() - before) / runs.max(1) as u64;
    memory::watch();
    let (result, _) = stage.run().await?;
    let peak_bytes = memory::peak();
    settle(&result).await?;
    drop(result);
    let submissions = match asked.submissions {
        true => Some(stage.submissions().await?),
        false => None,
    };
    Ok(StageTiming {
        name: asked.stage.to_string(),
        shape: stage.words(asked),
        ms,
        host_ms,
        launches: launched,
        bytes_in_use: device.memory_pool_usage().map(|usage| usage.bytes_in_use),
        peak_bytes,
        submissions,
        error,
    })
}

/// A stage and its inputs.
enum Stage {
    Resize {
        picture: Picture,
        side_px: usize,
        device: Device,
    },
    Vision {
        encoder: Box<VisionEncoder>,
        views: Views,
    },
    Enhance {
        connector: Box<DemConnector>,
        prepared: Box<Prepared>,
        features: Features,
    },
    Projector {
        connector: Box<DemConnector>,
        tokens: Tensor<2>,
    },
    Decoder {
        decoder: Box<Decoder>,
        rope: Rope,
        cache: KvCache,
        context: usize,
        tokens: Tensor<2>,
    },
    /// From a decoded picture and a question to the logits of the answer's first token.
    FirstToken {
        encoder: Box<VisionEncoder>,
        picture: Picture,
        decoder: Box<Decoder>,
        rope: Rope,
        cache: KvCache,
        question: Tensor<2>,
    },
}

impl Stage {
    async fn submissions(&mut self) -> Result<Submissions> {
        let mut of_rule = async |rule| {
            submissions::trace(rule);
            let (result, _) = self.run().await?;
            settle(&result).await?;
            Ok(submissions::traced())
        };
        let unpaced_ms: Vec<f64> = of_rule(Rule::Launches(UNPACED_LAUNCHES)).await?;
        let ms: Vec<f64> = of_rule(Rule::Measured).await?;
        let longest = |ms: &[f64]| ms.iter().copied().fold(0.0, f64::max);
        Ok(Submissions {
            count: ms.len(),
            longest_ms: longest(&ms),
            longest_unpaced_ms: longest(&unpaced_ms),
        })
    }

    async fn new(asked: &Asked<'_>, config: &Config, device: &Device) -> Result<Self> {
        let weights = Synthetic::new(config)?;
        let mut watch = Watch::nobody();
        let mut builder = Builder::new(&weights, &config.weights(), device, &mut watch)?;
        let [width, height] = PICTURE;
        let rgb = (0..width * height * 3).map(|i| (i * 31 % 251) as u8);
        let picture = Picture {
            width,
            height,
            rgb: rgb.collect(),
            notices: Vec::new(),
        };
        let coverage = match asked.stage.ends_with("_dense") {
            true => Coverage::Dense,
            false => Coverage::Live,
        };
        let treatment = Treatment::only(coverage);
        let vision = config.require_vision("this benchmark")?;
        let layout = vision.layout([height, width], treatment)?;
        let dual = config.require_dual("this benchmark")?;
        let side_px = layout.size_px()[0];
        let (tokens, channels) = (layout.tokens, vision.tower.hidden_size);
        Ok(match asked.stage.trim_end_matches("_dense") {
            "resize" => Stage::Resize {
                picture,
                side_px,
                device: device.clone(),
            },
            "vision" => {
                let encoder = VisionEncoder::load(vision, device, &mut builder).await?;
                let views = encoder.views(&picture, treatment, &StopFlag::default())?;
                Stage::Vision {
                    encoder: Box::new(encoder),
                    views,
                }
            }
            "enhance" => {
                let prepared = Box::new(Prepared::new(&dual, coverage, device));
                let passes = prepared.plan.passes().len();
                let features = random(2, [passes, tokens, channels], 1.0, device);
                Stage::Enhance {
                    connector: Box::new(DemConnector::load(dual.dem, &mut builder).await?),
                    features: Features::from_passes(&prepared.plan, features),
                    prepared,
                }
            }
            "projector" => Stage::Projector {
                connector: Box::new(DemConnector::load(dual.dem, &mut builder).await?),
                tokens: random(2, [tokens, channels], 1.0, device),
            },
            "prefill" | "decode" => {
                let decoder = Box::new(Decoder::load(&config.decoder, &mut builder).await?);
                let language = &config.decoder;
                let prompt = tokens + QUESTION;
                let is_decode = asked.stage == "decode";
                let context = if is_decode {
                    asked.context.unwrap_or(prompt)
                } else {
                    0
                };
                let count = if is_decode { 1 } else { prompt };
                let capacity = context + count;
                let rope = Rope::new(capacity, language, device);
                let mut cache = KvCache::new(language, capacity, device);
                // The time of a token does not depend on the cache's contents.
                cache.advance(context);
                Stage::Decoder {
                    decoder,
                    rope,
                    cache,
                    context,
                    tokens: random(3, [count, language.hidden_size], 1.0, device),
                }
            }
            "first_token" => {
                let encoder = VisionEncoder::load(vision, device, &mut builder).await?;
                let language = &config.decoder;
                let capacity = tokens + QUESTION;
                Stage::FirstToken {
                    encoder: Box::new(encoder),
                    picture,
                    decoder: Box::new(Decoder::load(&config.decoder, &mut builder).await?),
                    rope: Rope::new(capacity, language, device),
                    cache: KvCache::new(language, capacity, device),
                    question: random(3, [QUESTION, language.hidden_size], 1.0, device),
                }
            }
            other => {
                return Err(Error::Option {
                    option: "benchmark".into(),
                    reason: format!("{other:?} is none of {}", STAGES.join(", ")),
                });
            }
        })
    }

    /// The result, and the milliseconds during which the host was busy.
    async fn run(&mut self) -> Result<(Tensor<1>, f64)> {
        let timer = Timer::start();
        let watch = &mut Watch::nobody();
        let recorder = &mut Recorder::off();
        let result = match self {
            Stage::Resize {
                picture,
                side_px,
                device,
            } => {
                let bytes = square_u8(picture, *side_px);
                // Other tests check every byte; on the CPU there is nothing to compare a benchmark with.
                let some = bytes.iter().step_by(997).map(|&byte| f32::from(byte));
                let some: Vec<f32> = some.collect();
                let count = some.len();
                Tensor::from_data(TensorData::new(some, [count]), &*device)
            }
            Stage::Vision { encoder, views } => {
                let features = encoder.features(views, watch, recorder).await?;
                let [views, ..] = features.dims();
                let ends = [0, views - 1].map(|view| features.clone().narrow(0, view, 1));
                Tensor::cat(ends.map(|view| view.flatten::<1>(0, 2)).to_vec(), 0)
            }
            Stage::Enhance {
                connector,
                prepared,
                features,
            } => {
                let enhanced = connector.high_resolution(prepared, features);
                let output = enhanced.map(|enhanced| enhanced.output.flatten(0, 1));
                output.ok_or_else(|| Error::Option {
                    option: "benchmark".into(),
                    reason: "these sizes have no enhancement".into(),
                })?
            }
            Stage::Projector { connector, tokens } => {
                connector.projector.forward(tokens.clone()).flatten(0, 1)
            }
            Stage::Decoder {
                decoder,
                rope,
                cache,
                context,
                tokens,
            } => {
                cache.truncate(*context);
                let hidden = decoder.forward(tokens.clone(), rope, cache);
                decoder.logits(hidden, 1).flatten(0, 1)
            }
            Stage::FirstToken {
                encoder,
                picture,
                decoder,
                rope,
                cache,
                question,
            } => {
                let views = encoder.views(picture, Treatment::only(Coverage::Live), &watch.stop)?;
                let encoded = encoder.encode(&views, watch, recorder);
                let visual_tokens = encoded.await?.visual_tokens;
                let prompt = Tensor::cat(vec![visual_tokens, question.clone()], 0);
                cache.truncate(0);
                let mut chunks = prompt.split(PREFILL_CHUNK, 0);
                let last = chunks.pop().unwrap_or_else(|| question.clone());
                for chunk in chunks {
                    decoder.forward(chunk, rope, cache);
                }
                let hidden = decoder.forward(last, rope, cache);
                decoder.logits(hidden, 1).flatten(0, 1)
            }
        };
        Ok((result, timer.elapsed_ms()))
    }

    fn words(&self, asked: &Asked<'_>) -> String {
        let passes = |count: usize| format!("{count} passes");
        let what = match self {
            Stage::Resize { side_px, .. } => {
                format!("{} x {} to {side_px} x {side_px}", PICTURE[0], PICTURE[1])
            }
            Stage::Vision { views, .. } => passes(views.layout.passes()),
            Stage::Enhance { prepared, .. } => passes(prepared.plan.passes().len()),
            Stage::FirstToken {
                encoder,
                picture,
                cache,
                ..
            } => {
                let layout = encoder
                    .layout(picture, Treatment::only(Coverage::Live))
                    .ok();
                let count = layout.map_or(0, |layout| layout.passes());
                format!("{}, {} tokens", passes(count), cache.capacity())
            }
            Stage::Projector { tokens, .. } => format!("{} tokens", tokens.dims()[0]),
            Stage::Decoder {
                context, tokens, ..
            } => format!("{} tokens behind {context}", tokens.dims()[0]),
        };
        match asked.shape {
            "8b" => format!("8b, {} layers, {what}", asked.layers),
            shape => format!("{shape}, {what}"),
        }
    }
}
