//! What a picture, or a video, of a given size becomes: views, tokens, and what stands for it in a prompt.

use std::borrow::Cow;

use super::vision::{Treatment, Vision};
use crate::error::{Error, Result};
use crate::spec::plan::Coverage;
use crate::spec::{
    AnyresSpec, CanvasLayout, Connector, Detail, Fit, GridSpec, Layout, MOST_FRAMES, Packing, Run,
    SingleSpec, SnapshotSpec, Tiling, Video, View, pooled_side, video_tokens,
};

impl Vision {
    /// The layout of a picture of `size_px` (height, width) under `treatment`. INF-LLaVA's processor file may have a
    /// smaller size than its tiling, since the release multiplies it in code; the tiling takes precedence.
    ///
    /// # Errors
    /// [`Error::ImageShape`] for a picture that the tiling leaves nothing of.
    pub fn layout(&self, size_px: [usize; 2], treatment: Treatment) -> Result<Layout> {
        let tiling = self.tiling_of(size_px, treatment)?;
        Ok(match tiling.as_ref() {
            // The same square for every picture.
            Tiling::Dual { .. } => {
                let dual = self.require_dual("this tiling")?;
                dual.at(treatment.detail).layout(treatment.coverage)
            }
            Tiling::Grid(spec) => self.grid(spec, size_px),
            Tiling::Single(spec) => self.one_view(spec.newline),
            Tiling::Anyres(spec) => self.anyres(spec, size_px)?,
            Tiling::Snapshot(spec) => self.snapshot(spec, size_px),
        })
    }

    /// The tiling of a picture of `size_px` (height, width) under `treatment`: the model's, or one that it was also
    /// trained with.
    ///
    /// # Errors
    /// As [`Vision::layout`].
    pub fn tiling_of(&self, size_px: [usize; 2], treatment: Treatment) -> Result<Cow<'_, Tiling>> {
        let Treatment {
            is_only, detail, ..
        } = treatment;
        Ok(match &self.tiling {
            Tiling::Dual { .. } => {
                let dual = self.require_dual("this tiling")?.at(detail);
                Cow::Owned(Tiling::Dual {
                    crops_per_side: dual.crops_per_side,
                })
            }
            Tiling::Grid(spec) if detail != Detail::Auto => {
                let tokens = self.tokens_per_view();
                Cow::Owned(Tiling::Grid(spec.at(detail, size_px, tokens)))
            }
            Tiling::Anyres(spec) => match spec.several {
                Some(fit) if !is_only || detail == Detail::Low => one_view(spec, fit),
                several => {
                    let tokens_per_side = self.tower.tokens_per_side();
                    let fewer = spec.at(detail, size_px, tokens_per_side)?;
                    match (fewer, several) {
                        (Some(pinpoints), _) => Cow::Owned(Tiling::Anyres(AnyresSpec {
                            pinpoints,
                            ..spec.clone()
                        })),
                        (None, Some(fit)) => one_view(spec, fit),
                        (None, None) => Cow::Borrowed(&self.tiling),
                    }
                }
            },
            other => Cow::Borrowed(other),
        })
    }

    fn grid(&self, spec: &GridSpec, size_px: [usize; 2]) -> Layout {
        let grid = spec.grid(size_px);
        let split = CanvasLayout {
            size_px: grid.second_px,
            views: grid.split_views().collect(),
        };
        let canvases = [split, whole(spec.tile_px)].into_iter();
        let tokens = self.tokens_per_view();
        Layout {
            canvases: canvases.filter(|canvas| !canvas.views.is_empty()).collect(),
            packing: Packing::Views { newline: false },
            runs: grid.runs(tokens),
            tokens: grid.tiles().saturating_mul(tokens),
        }
    }

    /// The whole picture in one view, and a newline token if there is `newline`.
    fn one_view(&self, newline: bool) -> Layout {
        let tokens = self.tokens_per_view() + usize::from(newline);
        Layout {
            packing: Packing::Views { newline },
            ..Layout::of_one_run(vec![whole(self.tower.view_px)], tokens)
        }
    }

    fn anyres(&self, spec: &AnyresSpec, size_px: [usize; 2]) -> Result<Layout> {
        let anyres = spec.anyres(size_px, self.tower.tokens_per_side())?;
        let tiles = CanvasLayout {
            size_px: anyres.best_px,
            views: anyres.tile_views().collect(),
        };
        let canvases = [whole(spec.view_px), tiles].into_iter();
        let canvases = canvases.filter(|canvas| !canvas.views.is_empty()).collect();
        Ok(Layout {
            packing: match anyres.token_map() {
                Some(map) => Packing::Map(map),
                None => Packing::Views { newline: false },
            },
            ..Layout::of_one_run(canvases, anyres.tokens())
        })
    }

    fn snapshot(&self, spec: &SnapshotSpec, size_px: [usize; 2]) -> Layout {
        let snapshot = spec.snapshot(size_px);
        let mut canvases = vec![whole(spec.view_px)];
        if !snapshot.is_patch {
            canvases.push(CanvasLayout {
                size_px: snapshot.padded_px,
                views: snapshot.patch_views().collect(),
            });
        }
        // The patches' features enter those of the snapshot.
        Layout::of_one_run(canvases, self.tokens_per_view())
    }

    /// Visual tokens of a view, where views do not see one another.
    fn tokens_per_view(&self) -> usize {
        match &self.connector {
            Connector::Shuffle(shuffle) => {
                (self.tower.tokens_per_side() / shuffle.scale.max(1)).pow(2)
            }
            _ => self.tower.tokens_per_view(),
        }
    }

    /// A layout that no picture exceeds, in passes or in tokens, for limits that are needed before there is a picture.
    /// Of LLaVA's tiles these are of different pictures: its `packing` is that of the one with the most passes.
    ///
    /// # Errors
    /// As [`Vision::layout`].
    pub fn largest_layout(&self, coverage: Coverage) -> Result<Layout> {
        let treatment = Treatment::only(coverage);
        let size_px = match &self.tiling {
            // All its pictures are resized to the same square.
            Tiling::Dual { .. } | Tiling::Single(_) => [1, 1],
            // Both sides grow to the longest, and a square has the most tiles.
            Tiling::Grid(spec) => [spec.longest_px; 2],
            Tiling::Snapshot(spec) => spec.largest_px(),
            Tiling::Anyres(spec) => {
                let largest = spec.largest(self.tower.tokens_per_side());
                let layout = self.layout(largest.size_px, treatment)?;
                return Ok(Layout {
                    runs: vec![Run::Tokens(largest.tokens)],
                    tokens: largest.tokens,
                    ..layout
                });
            }
        };
        self.layout(size_px, treatment)
    }

    /// The layout of a video that takes `seconds`, whose frames are from `times_s` (seconds too): a canvas for each.
    /// Only SmolVLM2's prompt says the times.
    ///
    /// # Errors
    /// [`Error::Option`] for a model that sees no videos, and for no frames or too many.
    pub fn video_layout(&self, times_s: &[f64], seconds: f64) -> Result<Layout> {
        let bad = |reason: String| {
            Err(Error::Option {
                option: "video".into(),
                reason,
            })
        };
        let frames = times_s.len();
        let Some(video) = &self.video else {
            return bad("this model sees pictures only; give it some frames as pictures".into());
        };
        if !(1..=MOST_FRAMES).contains(&frames) {
            return bad(format!(
                "{frames} frames are to be looked at; it must be 1 to {MOST_FRAMES}"
            ));
        }
        Ok(match video {
            Video::Timed(spec) => {
                let tokens = self.tokens_per_view();
                Layout {
                    canvases: vec![whole(spec.grid.tile_px); frames],
                    packing: Packing::Views { newline: false },
                    runs: spec.runs(times_s, seconds, tokens),
                    tokens: frames.saturating_mul(tokens),
                }
            }
            Video::Pooled => {
                let side = self.tower.tokens_per_side();
                let canvases = vec![whole(self.tower.view_px); frames];
                Layout {
                    packing: Packing::Frames {
                        side: pooled_side(side),
                    },
                    ..Layout::of_one_run(canvases, video_tokens(frames, side))
                }
            }
        })
    }
}

/// The treatment of one picture among several, as a tiling.
fn one_view(spec: &AnyresSpec, fit: Fit) -> Cow<'static, Tiling> {
    Cow::Owned(Tiling::Single(SingleSpec {
        view_px: spec.view_px,
        fit,
        newline: true,
    }))
}

/// A square of `side_px` pixels that is one view.
fn whole(side_px: usize) -> CanvasLayout {
    CanvasLayout {
        size_px: [side_px; 2],
        views: vec![View::ALL],
    }
}
