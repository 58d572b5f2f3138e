//! The whole vision side: a picture's views in, visual tokens out. Counts the tower's passes as they run.

use burn::tensor::{Device, Tensor};

use crate::config::{Treatment, Vision};
use crate::error::{Error, Result};
use crate::gpu::ops::{Canvas, Cut, ViewShape, crop_patchify};
use crate::gpu::read::settle;
use crate::image::{Picture, Tiles, anyres, single, snapshot, square_u8_watched, tiles};
use crate::load::Builder;
use crate::progress::{Phase, StopFlag, Watch};
use crate::recorder::Recorder;
use crate::sequence::MediaId;
use crate::spec::plan::{Coverage, Plan};
use crate::spec::{Crop, Fit, GridSpec, Layout, Run, Tiling, Video};
use crate::text::prompt::{Media, MediaKind};
use crate::vision::connector::{Connector, Dem};
use crate::vision::dem::Features;
use crate::vision::grid::pixels_from_patches;
use crate::vision::perceiver::Perceiver;
use crate::vision::tower::Tower;
use crate::weights::tensors::Tensors;

/// Tokens that the tower processes at once; views are batched up to this, with at least one per batch. The largest
/// intermediate result, 16 MiB in the released sizes, fits into a binding of every adapter.
pub const TOKENS_PER_BATCH: usize = 1024;

/// Tower and connector.
pub struct VisionEncoder {
    spec: Vision,
    shape: ViewShape,
    tower: Tower,
    connector: Connector,
    device: Device,
}

/// A picture, resized and divided into views according to a layout.
pub struct Views {
    /// What it is resized to, in the order of the layout.
    pub canvases: Vec<Canvas>,
    /// The views that the tower processes, and the number of visual tokens.
    pub layout: Layout,
    /// How the picture is looked at.
    pub treatment: Treatment,
    /// Whether it is a picture or a video.
    pub kind: MediaKind,
}

/// A picture, encoded for the decoder.
#[derive(Clone)]
pub struct Encoded {
    /// Its identity: of its pixels and its treatment.
    pub id: MediaId,
    /// Whether it is a picture or a video.
    pub kind: MediaKind,
    /// What stands for it in a prompt.
    pub runs: Vec<Run>,
    /// `[tokens, hidden]`.
    pub visual_tokens: Tensor<2>,
    /// Passes of the vision tower that were run.
    pub vision_passes: usize,
}

impl Encoded {
    /// Its place in a message.
    pub fn media(&self) -> Media {
        Media::new(self.kind, self.id, &self.runs)
    }

    /// Visual tokens.
    pub fn tokens(&self) -> usize {
        let [tokens, _] = self.visual_tokens.dims();
        tokens
    }
}

impl VisionEncoder {
    /// Reads the tower and the connector of `spec`.
    ///
    /// # Errors
    /// As [`Builder::tensor`].
    pub async fn load<T: Tensors>(
        spec: &Vision,
        device: &Device,
        builder: &mut Builder<'_, '_, T>,
    ) -> Result<Self> {
        Ok(VisionEncoder {
            shape: ViewShape::new(&spec.tower, spec.pixels.normalise),
            tower: Tower::load(&spec.tower, builder).await?,
            connector: Connector::load(spec, device, builder).await?,
            spec: spec.clone(),
            device: device.clone(),
        })
    }

    /// What it computes.
    pub fn spec(&self) -> &Vision {
        &self.spec
    }

    /// The views and tokens of `picture` under `treatment`.
    ///
    /// # Errors
    /// As [`Vision::layout`].
    pub fn layout(&self, picture: &Picture, treatment: Treatment) -> Result<Layout> {
        let size_px = [picture.height, picture.width];
        self.spec.layout(size_px, treatment)
    }

    /// Resizes a picture according to its layout, until `stop` is set.
    ///
    /// # Errors
    /// As [`VisionEncoder::layout`]; [`crate::Error::Stopped`].
    pub fn views(&self, picture: &Picture, treatment: Treatment, stop: &StopFlag) -> Result<Views> {
        self.views_of(&self.spec, picture, treatment, stop)
    }

    /// As [`VisionEncoder::views`], by the tiling of `spec`, which has the same tower.
    ///
    /// # Errors
    /// As [`VisionEncoder::views`].
    pub fn views_of(
        &self,
        spec: &Vision,
        picture: &Picture,
        treatment: Treatment,
        stop: &StopFlag,
    ) -> Result<Views> {
        let size_px = [picture.height, picture.width];
        let layout = spec.layout(size_px, treatment)?;
        let canvases = canvases(spec, picture, treatment, stop)?;
        Ok(Views {
            canvases: self.uploaded(canvases, &layout),
            layout,
            treatment,
            kind: MediaKind::Image,
        })
    }

    /// Resizes the frames of a video that takes `seconds`, which are from `times_s` (seconds too).
    ///
    /// # Errors
    /// As [`Vision::video_layout`]; [`crate::Error::Stopped`].
    pub fn video_views(
        &self,
        frames: &[Picture],
        times_s: &[f64],
        seconds: f64,
        stop: &StopFlag,
    ) -> Result<Views> {
        let layout = self.spec.video_layout(times_s, seconds)?;
        let filter = self.spec.pixels.filter;
        let mut views = Vec::with_capacity(frames.len());
        for frame in frames {
            views.push(match self.spec.video {
                Some(Video::Timed(timed)) => in_tiles(frame, &timed.grid, stop)?.whole,
                _ => single(frame, Fit::Squash, self.spec.tower.view_px, filter, stop)?,
            });
        }
        Ok(Views {
            canvases: self.uploaded(views, &layout),
            layout,
            treatment: Treatment::only(Coverage::Live),
            kind: MediaKind::Video,
        })
    }

    fn uploaded(&self, canvases: Vec<Picture>, layout: &Layout) -> Vec<Canvas> {
        let canvases = canvases.into_iter().zip(&layout.canvases);
        let canvases =
            canvases.map(|(canvas, layout)| Canvas::new(canvas.rgb, layout.size_px, &self.device));
        canvases.collect()
    }

    /// INF-LLaVA's connector, if the model has it.
    pub fn dem(&self) -> Option<&Dem> {
        match &self.connector {
            Connector::Dem(dem) => Some(dem),
            _ => None,
        }
    }

    /// VLSA's connector, if the model has it.
    pub fn perceiver(&self) -> Option<&Perceiver> {
        match &self.connector {
            Connector::Perceiver(perceiver) => Some(perceiver),
            _ => None,
        }
    }

    /// What is computed of INF-LLaVA's views under `treatment`; none for another model.
    pub fn plan(&self, treatment: Treatment) -> Option<&Plan> {
        Some(&self.dem()?.prepared(treatment).plan)
    }

    /// Views -> visual tokens.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`] between passes; [`crate::Error::Device`].
    pub async fn encode(
        &self,
        views: &Views,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<Encoded> {
        let features = self.features(views, watch, recorder).await?;
        let [vision_passes, ..] = features.dims();
        let connector = &self.connector;
        let visual_tokens = connector.forward(features, &views.layout, views.treatment, recorder);
        settle(&visual_tokens).await?;
        watch.stop.check()?;
        // The identity need not include the weights: a sequence belongs to one loaded model.
        let treatment = format!("{:?} {:?}", views.layout, views.treatment);
        let canvases = views.canvases.iter().map(|canvas| &canvas.bytes[..]);
        let parts: Vec<&[u8]> = canvases.chain([treatment.as_bytes()]).collect();
        Ok(Encoded {
            id: MediaId::of(&parts),
            kind: views.kind,
            runs: views.layout.runs.clone(),
            visual_tokens,
            vision_passes,
        })
    }

    /// Runs the tower on every view: `[views, h * h, C]`, in the order of the layout.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`].
    pub async fn features(
        &self,
        views: &Views,
        watch: &mut Watch<'_>,
        recorder: &mut Recorder,
    ) -> Result<Tensor<3>> {
        let passes = views.layout.passes();
        // Only INF-LLaVA's views have names of their own.
        let crops = match self.plan(views.treatment).filter(|_| recorder.is_on()) {
            Some(plan) => plan.passes(),
            None => Vec::new(),
        };
        let batch = (TOKENS_PER_BATCH / self.spec.tower.tokens_inside()).max(1);
        let mut features = Vec::new();
        let mut done = 0;
        watch.progress(Phase::Vision, 0, passes as u64);
        let canvases = views.canvases.iter().zip(&views.layout.canvases);
        let parts = canvases.flat_map(|(canvas, layout)| {
            layout.views.chunks(batch).map(move |part| (canvas, part))
        });
        for (canvas, part) in parts {
            watch.breathe().await?;
            let patches = crop_patchify(self.shape, canvas, part);
            let crops = crops.get(done..done + part.len()).unwrap_or_default();
            self.record_pixels(crops, &patches, recorder);
            let output = self.tower.forward(patches, |layer, hidden| {
                if done == 0 && recorder.is_on() {
                    let first = hidden.clone().narrow(0, 0, 1).squeeze_dim::<2>(0);
                    match crops.first() {
                        Some(Crop::Local(0, 0)) => {
                            recorder.keep(&format!("clip_local0_hidden{layer}"), &first);
                        }
                        Some(_) => {}
                        None => recorder.keep(&format!("tower_view0_hidden{layer}"), &first),
                    }
                }
            });
            settle(&output).await?;
            features.push(output);
            done += part.len();
            watch.progress(Phase::Vision, done as u64, passes as u64);
        }
        let features = Tensor::cat(features, 0);
        if crops.is_empty() && recorder.is_on() {
            recorder.keep("features", &features);
            let [_, tokens, channels] = features.dims();
            let first = features.clone().narrow(0, 0, 1).reshape([tokens, channels]);
            recorder.keep("features_view0", &first);
        }
        Ok(features)
    }

    /// The enhancement's attention maps for a picture: `DemConnector::attention_maps`. Runs the tower.
    ///
    /// # Errors
    /// As [`VisionEncoder::encode`]; [`crate::Error::Option`] for a model without an enhancement.
    pub async fn attention_maps(
        &self,
        views: &Views,
        watch: &mut Watch<'_>,
    ) -> Result<Vec<(Cut, Tensor<2>)>> {
        let dem = self.dem().ok_or_else(|| Error::Option {
            option: "attention".into(),
            reason: "the model has no enhancement (DEM), whose attention this is".into(),
        })?;
        let features = self.features(views, watch, &mut Recorder::off()).await?;
        let prepared = dem.prepared(views.treatment);
        let features = Features::from_passes(&prepared.plan, features);
        Ok(dem.modules.attention_maps(prepared, &features))
    }

    /// Records the crops' pixels under the fixtures' names.
    fn record_pixels(&self, crops: &[Crop], patches: &Tensor<3>, recorder: &mut Recorder) {
        if crops.is_empty() {
            return;
        }
        let pixels = pixels_from_patches(patches.clone(), self.shape.patch_px);
        let side = self.shape.view_px;
        for (index, crop) in crops.iter().enumerate() {
            let one = pixels.clone().narrow(0, index, 1).reshape([3, side, side]);
            recorder.keep_crop(*crop, one);
        }
    }
}

/// What the views of a picture are cut from, in the order of its layout.
fn canvases(
    spec: &Vision,
    picture: &Picture,
    treatment: Treatment,
    stop: &StopFlag,
) -> Result<Vec<Picture>> {
    let size_px = [picture.height, picture.width];
    let filter = spec.pixels.filter;
    Ok(match spec.tiling_of(size_px, treatment)?.as_ref() {
        Tiling::Dual { crops_per_side } => {
            let side_px = crops_per_side * spec.tower.view_px;
            vec![Picture {
                width: side_px,
                height: side_px,
                rgb: square_u8_watched(picture, side_px, stop)?,
                notices: Vec::new(),
            }]
        }
        Tiling::Grid(grid) => {
            let tiles = in_tiles(picture, grid, stop)?;
            tiles.split.into_iter().chain([tiles.whole]).collect()
        }
        Tiling::Single(one) => vec![single(picture, one.fit, one.view_px, filter, stop)?],
        Tiling::Anyres(tiled) => {
            let sizes = tiled.anyres(size_px, spec.tower.tokens_per_side())?;
            let views = anyres(picture, &sizes, tiled.view_px, filter, stop)?;
            [views.base].into_iter().chain(views.tiles).collect()
        }
        Tiling::Snapshot(padded) => {
            let sizes = padded.snapshot(size_px);
            let views = snapshot(picture, padded, &sizes, filter, stop)?;
            match sizes.is_patch {
                true => vec![views.snapshot],
                false => vec![views.snapshot, views.padded],
            }
        }
    })
}

fn in_tiles(picture: &Picture, spec: &GridSpec, stop: &StopFlag) -> Result<Tiles> {
    let grid = spec.grid([picture.height, picture.width]);
    tiles(picture, grid.first_px, grid.second_px, spec.tile_px, stop)
}
