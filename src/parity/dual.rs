//! INF-LLaVA's pictures: every stage, live and dense, and the two against each other.

use std::collections::BTreeMap;

use super::{DENSE_LIMIT, FEATURE_LIMIT, Parity, Row};
use crate::config::{Dual, Treatment};
use crate::error::{Error, Result};
use crate::image::{Picture, pixel_values};
use crate::progress::{StopFlag, Watch};
use crate::recorder::{Recorder, Stage};
use crate::spec::Crop;
use crate::spec::plan::{Coverage, Plan};
use crate::vision::encoder::Encoded;

impl Parity<'_> {
    /// Every stage of a picture, live and dense, and the two against each other.
    pub(super) async fn dual_image(
        &mut self,
        index: usize,
        picture: &Picture,
        dual: &Dual<'_>,
    ) -> Result<Encoded> {
        let model = self.model.clone();
        let encoder = model.vision()?;
        let stop = StopFlag::default();
        let views = encoder.views(picture, Treatment::only(Coverage::Live), &stop)?;
        // INF-LLaVA's is a single square.
        let square = views.canvases.iter().flat_map(|canvas| &canvas.bytes);
        let square: Vec<u8> = square.copied().collect();
        if let Some(expected) = self.expect(&format!("{index}.square_u8")) {
            let pairs = square.iter().zip(&expected.values);
            let differing = pairs.filter(|(a, b)| f32::from(**a) != **b).count()
                + square.len().abs_diff(expected.values.len());
            self.push(Row::of_count(
                "text",
                format!("{index}.square_u8"),
                differing,
                square.len(),
            ));
        }
        let values = pixel_values(&square, dual.pixels.normalise);
        self.compare(
            "text",
            format!("{index}.pixel_values"),
            &values,
            FEATURE_LIMIT,
        );

        let mut both = Vec::new();
        let mut live = None;
        for (kind, coverage) in [("live", Coverage::Live), ("dense", Coverage::Dense)] {
            let mut recorder = Recorder::on();
            let views = encoder.views(picture, Treatment::only(coverage), &stop)?;
            let watch = &mut Watch::nobody();
            let encoded = encoder.encode(&views, watch, &mut recorder).await?;
            let plan = dual.plan(coverage);
            let passes = plan.passes().len();
            self.push(Row::of_count(
                kind,
                format!("{index}.vision_passes"),
                encoded.vision_passes.abs_diff(passes),
                1,
            ));
            let stages = recorder.into_stages().await?;
            self.compare_stages(kind, index, &stages, &plan);
            both.push(stages);
            live.get_or_insert(encoded);
        }
        for name in ["dem_output", "merged", "visual_tokens"] {
            if let (Some(live), Some(dense)) = (both[0].get(name), both[1].get(name)) {
                let name = format!("{index}.{name}");
                self.push(Row::of_values(
                    "live - dense",
                    name,
                    &live.values,
                    &dense.values,
                    DENSE_LIMIT,
                ));
            }
        }
        live.ok_or_else(|| Error::NotFinite {
            stage: "vision".into(),
        })
    }

    fn compare_stages(
        &mut self,
        kind: &'static str,
        image: usize,
        stages: &BTreeMap<String, Stage>,
        plan: &Plan,
    ) {
        for (stage, found) in stages {
            let name = format!("{image}.{stage}");
            if let Some(expected) = self.expect(&name) {
                let expected = alive_part(stage, &expected, plan);
                self.push(Row::of_values(
                    kind,
                    name,
                    &found.values,
                    &expected,
                    FEATURE_LIMIT,
                ));
            }
        }
    }
}

/// The expectations are of the dense computation: the crops that `plan` keeps of them.
fn alive_part(stage: &str, expected: &Stage, plan: &Plan) -> Vec<f32> {
    let n = plan.crops_per_side;
    let crops = match stage {
        "features_local" | "crops_local" => plan.local_crops(),
        "features_global" | "crops_global" => plan.global_crops(),
        _ => return expected.values.clone(),
    };
    let rows = expected.shape.first().copied().unwrap_or(1).max(1);
    let len = expected.values.len() / rows;
    crops
        .iter()
        .filter_map(|crop| match *crop {
            Crop::Local(r, c) | Crop::Global(r, c) => expected
                .values
                .get((r * n + c) * len..(r * n + c + 1) * len),
            Crop::Low => None,
        })
        .flatten()
        .copied()
        .collect()
}
