//! The whole vision side: a resized square in, visual tokens out. Counts the passes of the tower
//! where the tower runs.

use burn::tensor::{Device, Tensor};

use crate::config::Config;
use crate::error::Result;
use crate::gpu::ops::{CropShape, Square, crop_patchify};
use crate::progress::{Phase, Watch};
use crate::stages::{Recorder, settle};
use crate::vision::clip::ClipTower;
use crate::vision::enhance::{Enhancement, Selection};
use crate::vision::grid::{map_from_weave, pixels_from_patches};
use crate::vision::plan::{Coverage, Crop, LowSource, Plan, Pooling};
use crate::vision::projector::Projector;

/// Tokens that go through the tower at once; crops are batched up to this, at least one.
const TOKENS_PER_BATCH: usize = 1024;

/// A plan with its indices on the device.
struct Prepared {
    plan: Plan,
    selection: Selection,
}

impl Prepared {
    fn new(config: &Config, coverage: Coverage, device: &Device) -> Self {
        let h = config.vision.tokens_per_side();
        let plan = Plan::new(config.crops_per_side, h, Pooling::Bilinear, coverage);
        let selection = Selection::new(&plan, device);
        Prepared { plan, selection }
    }
}

/// Tower, enhancement and projector, with the plans for one N.
pub struct VisionEncoder {
    shape: CropShape,
    tower: ClipTower,
    enhancement: Enhancement,
    projector: Projector,
    live: Prepared,
    dense: Prepared,
}

/// The features of a picture's crops, `[crops, h * h, C]` in the plan's order.
#[derive(Clone)]
pub struct Features {
    /// Of the local crops that are alive.
    pub local: Tensor<3>,
    /// Of the global crops that are alive.
    pub global: Tensor<3>,
    /// Of the low-resolution image, `[h * h, C]`.
    pub low: Tensor<2>,
}

/// A picture as the decoder sees it.
#[derive(Clone)]
pub struct Encoded {
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
        enhancement: Enhancement,
        projector: Projector,
        device: &Device,
    ) -> Self {
        VisionEncoder {
            shape: CropShape {
                crops_per_side: config.crops_per_side,
                crop_px: config.vision.crop_px,
                patch_px: config.vision.patch_px,
            },
            tower,
            enhancement,
            projector,
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
        Ok(Encoded {
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
        let features = self.split(plan, Tensor::cat(features, 0));
        recorder.keep("features_local", &features.local);
        recorder.keep("features_global", &features.global);
        recorder.keep("features_low", &features.low);
        Ok((features, done))
    }

    /// The tower's output in the order of [`Plan::passes`] -> local, global, low.
    fn split(&self, plan: &Plan, all: Tensor<3>) -> Features {
        let (locals, globals) = (plan.local_crops().len(), plan.global_crops().len());
        let global = all.clone().narrow(0, locals, globals);
        let local = match plan.local_is_global {
            true => global.clone(),
            false => all.clone().narrow(0, 0, locals),
        };
        let low = match plan.low {
            LowSource::OwnPass => all.narrow(0, locals + globals, 1),
            LowSource::GlobalCrop(index) => global.clone().narrow(0, index, 1),
        };
        Features {
            local,
            global,
            low: low.squeeze_dim(0),
        }
    }

    /// Features -> enhancement -> mean with the low-resolution features -> projector.
    pub fn visual_tokens(
        &self,
        features: &Features,
        coverage: Coverage,
        recorder: &mut Recorder,
    ) -> Tensor<2> {
        let Prepared { plan, selection } = self.prepared(coverage);
        let enhanced = self.enhancement.forward(
            plan,
            selection,
            features.local.clone(),
            features.global.clone(),
        );
        if recorder.is_on() && coverage == Coverage::Dense {
            let [rows, channels] = enhanced.rows.dims();
            let (n, h) = (plan.crops_per_side, plan.tokens_per_side);
            debug_assert_eq!(rows, n * n * h * h);
            let crops = enhanced.rows.clone().reshape([n * n, h * h, channels]);
            recorder.keep("dem_fused_map", &map_from_weave(crops, n));
        }
        recorder.keep("dem_output", &enhanced.output);
        let merged = (features.low.clone() + enhanced.output).mul_scalar(0.5);
        recorder.keep("merged", &merged);
        let visual_tokens = self.projector.forward(merged);
        recorder.keep("visual_tokens", &visual_tokens);
        visual_tokens
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
