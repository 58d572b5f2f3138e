//! Pictures and videos of models whose views do not see one another, from their bytes to their visual tokens.

use burn::tensor::Tensor;

use super::expected::ExpectedImage;
use super::{FEATURE_LIMIT, Parity, Row};
use crate::config::Treatment;
use crate::error::{Error, Result};
use crate::image::{Picture, pixel_values};
use crate::printable::sha256;
use crate::progress::{StopFlag, Watch};
use crate::recorder::Recorder;
use crate::spec::plan::Coverage;
use crate::spec::{Layout, Scores, Tiling};
use crate::vision::encoder::{Encoded, Views};
use crate::vision::perceiver::Perceiver;

impl Parity<'_> {
    /// Every stage of a picture.
    pub(super) async fn family_image(
        &mut self,
        index: usize,
        expected: &ExpectedImage,
        pictures: &[Picture],
    ) -> Result<Encoded> {
        let model = self.model.clone();
        let encoder = model.vision()?;
        let treatment = Treatment {
            is_only: expected.treatment != "square",
            ..Treatment::only(Coverage::Live)
        };
        let stop = StopFlag::default();
        let views = match (pictures, expected.treatment.as_str()) {
            (frames, "video") => {
                let unknown: Vec<f64> = (0..frames.len()).map(|second| second as f64).collect();
                let times_s = match expected.timestamps_s.is_empty() {
                    true => &unknown,
                    false => &expected.timestamps_s,
                };
                let seconds = expected.duration_s.unwrap_or(frames.len() as f64);
                encoder.video_views(frames, times_s, seconds, &stop)?
            }
            // As if the processor's file said that pictures are not divided.
            ([picture, ..], "whole") => {
                let mut spec = encoder.spec().clone();
                if let Tiling::Grid(grid) = &mut spec.tiling {
                    grid.splits = false;
                }
                encoder.views_of(&spec, picture, treatment, &stop)?
            }
            ([picture, ..], _) => encoder.views(picture, treatment, &stop)?,
            ([], _) => {
                return Err(Error::Option {
                    option: format!("image {index}"),
                    reason: "expected.json names no file for it".into(),
                });
            }
        };
        self.view_bytes(index, expected, &views);

        let mut recorder = Recorder::on();
        let watch = &mut Watch::nobody();
        let encoded = encoder.encode(&views, watch, &mut recorder).await?;
        if let Some(wanted) = expected.num_tokens {
            let differing = encoded.tokens().abs_diff(wanted);
            let name = format!("{index}.num_tokens");
            self.push(Row::of_count("text", name, differing, wanted));
        }
        for (stage, found) in recorder.into_stages().await? {
            let name = format!("{index}.{stage}");
            self.compare_first(name, &found.values);
        }
        if let Some(perceiver) = encoder.perceiver() {
            let off = &mut Recorder::off();
            let features = encoder.features(&views, watch, off).await?;
            self.other_choices(index, perceiver, &features, &views.layout)
                .await?;
        }
        Ok(encoded)
    }

    /// What VLSA's perceiver gives under other choices of what the paper leaves open.
    async fn other_choices(
        &mut self,
        index: usize,
        perceiver: &Perceiver,
        features: &Tensor<3>,
        layout: &Layout,
    ) -> Result<()> {
        for (name, activation, self_activation) in [
            ("silu_self", Scores::Silu, Scores::Silu),
            ("none_self", Scores::Silu, Scores::Identity),
            ("softmax", Scores::Softmax, Scores::Softmax),
        ] {
            let mut other = perceiver.clone();
            (other.spec.activation, other.spec.self_activation) = (activation, self_activation);
            let mut recorder = Recorder::on();
            other.forward(features.clone(), layout, &mut recorder);
            if let Some(found) = recorder.into_stages().await?.remove("sa_output") {
                self.compare_first(format!("{index}.sa_output.{name}"), &found.values);
            }
        }
        Ok(())
    }

    /// The views' bytes, and the numbers that the tower reads.
    fn view_bytes(&mut self, index: usize, expected: &ExpectedImage, views: &Views) {
        let Some(vision) = &self.model.config.vision else {
            return;
        };
        let (side, normalise) = (vision.tower.view_px, vision.pixels.normalise);
        let bytes = bytes_of(views, side);
        if let Some(wanted) = &expected.views_u8_sha256 {
            // Equal views are computed once.
            let found = [sha256(&bytes), sha256(&bytes.repeat(2))];
            let differing = usize::from(!found.contains(wanted));
            let name = format!("{index}.views_u8_sha256");
            self.push(Row::of_count("text", name, differing, 1));
        }
        let values: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
        self.compare_first(format!("{index}.views_u8"), &values);
        let views = bytes.chunks(3 * side * side);
        let values: Vec<f32> = views
            .flat_map(|view| pixel_values(view, normalise))
            .collect();
        self.compare_first(format!("{index}.pixel_values"), &values);
    }

    /// Compares a stage, of which the expectations may have the first views only; or have a view twice that is computed
    /// once.
    fn compare_first(&mut self, name: String, found: &[f32]) {
        let Some(expected) = self.expect(&name) else {
            return;
        };
        let limit = match name.ends_with("_u8") {
            true => 0.0,
            false => FEATURE_LIMIT,
        };
        let len = expected.values.len();
        let found = match found.get(..len) {
            Some(found) => found.to_vec(),
            None if len == 2 * found.len() => found.repeat(2),
            None => found.to_vec(),
        };
        self.push(Row::of_values(
            "live",
            name,
            &found,
            &expected.values,
            limit,
        ));
    }
}

/// The bytes of all views, `[views, P, P, 3]`.
fn bytes_of(views: &Views, side_px: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let canvases = views.canvases.iter().zip(&views.layout.canvases);
    for (canvas, layout) in canvases {
        for &view in &layout.views {
            bytes.extend(canvas.view_bytes(view, side_px));
        }
    }
    bytes
}
