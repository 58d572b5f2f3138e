//! The whole vision side: a resized square in, visual tokens out. Counts the passes of the tower
//! where the tower runs.

use burn::tensor::{Device, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::gpu::ops::{CropShape, Cut, Square, crop_patchify};
use crate::gpu::read::settle;
use crate::image::Crop;
use crate::progress::{Phase, Watch};
use crate::recorder::Recorder;
use crate::sequence::{Media, MediaId};
use crate::vision::clip::ClipTower;
use crate::vision::grid::pixels_from_patches;
use crate::vision::perspectives::{Features, Perspectives, Prepared};
use crate::vision::plan::{Coverage, Plan};

/// Tokens that go through the tower at once; crops are batched up to this, at least one. The widest of what they become,
/// 16 MiB in the released sizes, fits into a binding of every adapter.
pub const TOKENS_PER_BATCH: usize = 1024;

/// Tower, enhancement and projector, with the plans for one N.
pub struct VisionEncoder {
    shape: CropShape,
    tower: ClipTower,
    perspectives: Perspectives,
    live: Prepared,
    dense: Prepared,
}

/// A picture as the decoder sees it.
#[derive(Clone)]
pub struct Encoded {
    /// Its place in a sequence.
    pub media: Media,
    /// `[h * h, hidden]`.
    pub visual_tokens: Tensor<2>,
    /// Passes of the vision tower that this took.
    pub vision_passes: usize,
}

impl VisionEncoder {
    /// Puts the parts together for the sizes of `config`.
    pub fn new(
        config: &Config,
        tower: ClipTower,
        perspectives: Perspectives,
        device: &Device,
    ) -> Self {
        VisionEncoder {
            shape: CropShape {
                crops_per_side: config.crops_per_side,
                crop_px: config.vision.crop_px,
                patch_px: config.vision.patch_px,
            },
            tower,
            perspectives,
            live: Prepared::new(config, Coverage::Live, device),
            dense: Prepared::new(config, Coverage::Dense, device),
        }
    }

    /// What is computed under `coverage`.
    pub fn plan(&self, coverage: Coverage) -> &Plan {
        &self.prepared(coverage).plan
    }

    fn prepared(&self, coverage: Coverage) -> &Prepared {
        match coverage {
            Coverage::Live => &self.live,
            Coverage::Dense => &self.dense,
        }
    }

    /// Square -> visual tokens.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`] between passes; [`crate::Error::Device`].
    pub async fn encode(
        &self,
        square: &Square,
        coverage: Coverage,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<Encoded> {
        let (features, vision_passes) = self.features(square, coverage, watch, recorder).await?;
        let visual_tokens = self.visual_tokens(&features, coverage, recorder);
        settle(&visual_tokens).await?;
        watch.stop.check()?;
        // A sequence belongs to one loaded model, so its weights are no part of this.
        let treatment = format!("{:?}", self.prepared(coverage).plan);
        let media = Media {
            id: MediaId::of(&[&square.bytes, treatment.as_bytes()]),
            tokens: visual_tokens.dims()[0],
        };
        Ok(Encoded {
            media,
            visual_tokens,
            vision_passes,
        })
    }

    /// Runs the tower on every crop of the plan. Also tells how many passes that were.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`].
    pub async fn features(
        &self,
        square: &Square,
        coverage: Coverage,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<(Features, usize)> {
        let plan = &self.prepared(coverage).plan;
        let passes = plan.passes();
        let batch = (TOKENS_PER_BATCH / (self.shape.tokens() + 1)).max(1);
        let mut features = Vec::new();
        let mut done = 0;
        watch.progress(Phase::Vision, 0, passes.len() as u64);
        for crops in passes.chunks(batch) {
            watch.breathe().await?;
            let patches = crop_patchify(self.shape, square, crops);
            self.record_pixels(crops, &patches, recorder);
            let is_first = done == 0;
            let output = self.tower.forward(patches, |layer, hidden| {
                if is_first && recorder.is_on() && crops[0] == Crop::Local(0, 0) {
                    let first = hidden.clone().narrow(0, 0, 1).squeeze_dim::<2>(0);
                    recorder.keep(&format!("clip_local0_hidden{layer}"), &first);
                }
            });
            settle(&output).await?;
            features.push(output);
            done += crops.len();
            watch.progress(Phase::Vision, done as u64, passes.len() as u64);
        }
        let features = Features::from_passes(plan, Tensor::cat(features, 0));
        if let Some(local) = &features.local {
            recorder.keep("features_local", local);
        }
        if let Some(global) = &features.global {
            recorder.keep("features_global", global);
        }
        if let Some(low) = &features.low {
            recorder.keep("features_low", low);
        }
        Ok((features, done))
    }

    /// What the enhancement looks at in a square: [`Perspectives::attention_maps`]. Runs the tower for it.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`].
    pub async fn attention_maps(
        &self,
        square: &Square,
        coverage: Coverage,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<(Cut, Tensor<2>)>> {
        let off = &mut Recorder::off();
        let (features, _) = self.features(square, coverage, watch, off).await?;
        Ok(self
            .perspectives
            .attention_maps(self.prepared(coverage), &features))
    }

    /// [`Perspectives::forward`] with the plan of `coverage`.
    pub fn visual_tokens(
        &self,
        features: &Features,
        coverage: Coverage,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        self.perspectives
            .forward_recorded(self.prepared(coverage), features, recorder)
    }

    /// The crops' pixels under the fixtures' names.
    fn record_pixels(&self, crops: &[Crop], patches: &Tensor<3>, recorder: &mut Recorder) {
        if !recorder.is_on() {
            return;
        }
        let pixels = pixels_from_patches(patches.clone(), self.shape.patch_px);
        let side = self.shape.crop_px;
        for (index, crop) in crops.iter().enumerate() {
            let one = pixels.clone().narrow(0, index, 1).reshape([3, side, side]);
            recorder.keep_crop(*crop, one);
        }
    }
}
