//! Parity with PyTorch: every stage of a model folder against its `expected.safetensors`, live and
//! dense, on whatever device. Runs natively and in the browser alike.

mod cases;
mod dual;
mod expected;
mod pictures;
mod report;

pub use report::{Report, Row};

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use safetensors::SafeTensors;

use crate::error::{Error, Result};
use crate::image::Picture;
use crate::model::Model;
use crate::recorder::Stage;
use crate::vision::encoder::Encoded;
use crate::weights::source::{Source, require_file};
use expected::{Expected, ExpectedImage, TokenizerCase, to_stage};

/// Largest absolute error of pixels, features and visual tokens; values are of order 1.
pub const FEATURE_LIMIT: f32 = 2e-4;
/// Largest absolute error of logits.
pub const LOGIT_LIMIT: f32 = 1e-3;
/// Largest absolute difference between the live and the dense computation.
pub const DENSE_LIMIT: f32 = 1e-5;

const EXPECTED_JSON: &str = "expected.json";
const EXPECTED_TENSORS: &str = "expected.safetensors";
const EXPECTED_CAP: u64 = 1 << 30;
/// Positions at the end of the prompt whose logits are kept.
const PROMPT_POSITIONS: usize = 8;

/// Whether there is something to compare a model with: said before it is loaded, since that may take minutes.
///
/// # Errors
/// [`Error::Checkpoint`] if the files with PyTorch's answers are not beside it.
pub async fn check_expected(source: &impl Source) -> Result<()> {
    for file in [EXPECTED_JSON, EXPECTED_TENSORS] {
        if source.size(file).await?.is_none() {
            return Err(Error::checkpoint(
                source.describe(file),
                "it is missing: it holds what PyTorch computes with this model, and tests/reference/write_expected.py writes it",
            ));
        }
    }
    Ok(())
}

/// Runs the comparison of a loaded model with the expectations of its folder. `on_row` sees each
/// row as it comes.
///
/// # Errors
/// If the expectations or pictures are missing or broken, or the model fails; not if values differ.
pub async fn run(
    source: &impl Source,
    model: Rc<Model>,
    on_row: &mut dyn FnMut(&Row),
) -> Result<Report> {
    let bad = |reason: String| Error::FileAccess {
        file: source.describe(EXPECTED_TENSORS),
        reason,
    };
    let json = require_file(source, EXPECTED_JSON, EXPECTED_CAP).await?;
    let expected: Expected =
        serde_json::from_slice(&json).map_err(|e| bad(format!("{EXPECTED_JSON}: {e}")))?;
    let bytes = require_file(source, EXPECTED_TENSORS, EXPECTED_CAP).await?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
    let mut parity = Parity {
        tensors: tensors
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, to_stage(&view)))
            .collect(),
        used: Default::default(),
        report: Report::default(),
        model,
        on_row,
    };

    parity.tokenizer(&expected.tokenizer_cases)?;
    if let Some(stop_ids) = &expected.stop_ids {
        parity.stop_ids(stop_ids);
    }
    let mut encoded = Vec::new();
    for (index, image) in expected.images.iter().enumerate() {
        let mut pictures = Vec::new();
        for file in image.file.iter().chain(&image.files) {
            let bytes = require_file(source, file, EXPECTED_CAP).await?;
            pictures.push(parity.model.decode_picture(file, &bytes)?);
        }
        encoded.push(parity.image(index, image, &pictures).await?);
    }
    for case in &expected.cases {
        parity.case(case, &encoded).await?;
    }
    let layers_run = parity.model.config.vision.as_ref();
    let layers_run = layers_run.map_or(0, |vision| vision.tower.layers_run());
    let Parity {
        tensors,
        used,
        mut report,
        ..
    } = parity;
    // Layers behind the last that is selected are not computed.
    let is_run = |name: &String| {
        let layer = name.split_once("tower_view0_hidden");
        let layer = layer.and_then(|(_, layer)| layer.parse().ok());
        layer.is_none_or(|layer: usize| layer <= layers_run)
    };
    report.unused = tensors
        .into_keys()
        .filter(|name| !used.contains(name) && is_run(name))
        .collect();
    Ok(report)
}

struct Parity<'a> {
    tensors: BTreeMap<String, Stage>,
    used: BTreeSet<String>,
    report: Report,
    model: Rc<Model>,
    on_row: &'a mut dyn FnMut(&Row),
}

impl Parity<'_> {
    fn push(&mut self, row: Row) {
        (self.on_row)(&row);
        self.report.rows.push(row);
    }

    fn expect(&mut self, name: &str) -> Option<Stage> {
        let stage = self.tensors.get(name).cloned();
        if stage.is_some() {
            self.used.insert(name.to_string());
        }
        stage
    }

    fn compare(&mut self, kind: &'static str, name: String, found: &[f32], limit: f32) {
        if let Some(expected) = self.expect(&name) {
            self.push(Row::of_values(kind, name, found, &expected.values, limit));
        }
    }

    fn tokenizer(&mut self, cases: &[TokenizerCase]) -> Result<()> {
        let mut differing = 0;
        for case in cases {
            differing += usize::from(self.model.tokenizer.encode_template(&case.text)? != case.ids);
        }
        self.push(Row::of_count(
            "text",
            "tokenizer_cases".into(),
            differing,
            cases.len(),
        ));
        Ok(())
    }

    /// The ids that end an answer.
    fn stop_ids(&mut self, expected: &[u32]) {
        let found: BTreeSet<&u32> = self.model.config.eos_token_ids.iter().collect();
        let differing = found
            .symmetric_difference(&expected.iter().collect())
            .count();
        self.push(Row::of_count(
            "text",
            "stop_ids".into(),
            differing,
            expected.len(),
        ));
    }

    /// Every stage of a picture or a video.
    async fn image(
        &mut self,
        index: usize,
        expected: &ExpectedImage,
        pictures: &[Picture],
    ) -> Result<Encoded> {
        let model = self.model.clone();
        match (model.config.dual(), pictures) {
            (Some(dual), [picture]) => self.dual_image(index, picture, &dual).await,
            _ => self.family_image(index, expected, pictures).await,
        }
    }
}
