//! Parity with PyTorch: every stage of a model folder against its `expected.safetensors`, live and
//! dense, on whatever device. Runs natively and in the browser alike.

mod report;

pub use report::{Report, Row};

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::generate::Sampling;
use crate::image::pixel_values;
use crate::model::Model;
use crate::progress::{StopFlag, Watch};
use crate::recorder::{Recorder, Stage};
use crate::session::{AskOptions, Session};
use crate::spec::Crop;
use crate::spec::plan::{Coverage, Plan};
use crate::text::prompt::Prompt;
use crate::text::prompt::conv_llama3::prompt_text;
use crate::vision::encoder::Encoded;
use crate::weights::source::{Source, require_file};

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

#[derive(Deserialize)]
struct Expected {
    images: Vec<ExpectedImage>,
    cases: Vec<ExpectedCase>,
    tokenizer_cases: Vec<TokenizerCase>,
}

#[derive(Deserialize)]
struct ExpectedImage {
    file: String,
}

#[derive(Deserialize)]
struct ExpectedCase {
    name: String,
    image: Option<usize>,
    turns: Vec<(String, Option<String>)>,
    prompt: String,
    input_ids: Vec<i32>,
    sequence_length: usize,
    greedy_ids: Vec<u32>,
}

impl ExpectedCase {
    /// Questions with their answers, without the release's mark for the picture.
    fn exchanges(&self) -> Vec<(&str, Option<&str>)> {
        let turns = self.turns.iter();
        turns
            .map(|(question, answer)| (question.trim_start_matches("<image>\n"), answer.as_deref()))
            .collect()
    }
}

#[derive(Deserialize)]
struct TokenizerCase {
    text: String,
    ids: Vec<u32>,
}

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
    let mut encoded = Vec::new();
    for (index, image) in expected.images.iter().enumerate() {
        let bytes = require_file(source, &image.file, EXPECTED_CAP).await?;
        encoded.push(parity.image(index, &image.file, &bytes).await?);
    }
    for case in &expected.cases {
        let picture = match case.image {
            None => None,
            Some(index) => Some(encoded.get(index).cloned().ok_or_else(|| {
                bad(format!(
                    "case {} wants image {index} of {}",
                    case.name,
                    encoded.len()
                ))
            })?),
        };
        parity.case(case, picture).await?;
    }
    let Parity {
        tensors,
        used,
        mut report,
        ..
    } = parity;
    report.unused = tensors
        .into_keys()
        .filter(|name| !used.contains(name))
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

    /// Every stage of a picture, live and dense, and the two against each other.
    async fn image(&mut self, index: usize, file: &str, bytes: &[u8]) -> Result<Encoded> {
        let model = self.model.clone();
        let picture = model.decode_picture(file, bytes)?;
        let stop = StopFlag::default();
        let views = model.vision.views(&picture, Coverage::Live, &stop)?;
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
        let values = pixel_values(&square, model.config.normalise);
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
            let views = model.vision.views(&picture, coverage, &stop)?;
            let watch = &mut Watch::nobody();
            let encoded = model.vision.encode(&views, watch, &mut recorder).await?;
            let plan = model.config.require_dual("this fixture")?.plan(coverage);
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

    /// A conversation up to the case's last question, and that question.
    async fn asked(
        &self,
        case: &ExpectedCase,
        picture: Option<Encoded>,
        coverage: Coverage,
    ) -> Result<(Session, String)> {
        let mut session = Session::new(self.model.clone(), coverage);
        session.set_encoded(picture);
        let mut question = String::new();
        let turns = case.exchanges();
        for (index, (asked, answer)) in turns.iter().enumerate() {
            match index + 1 == turns.len() {
                true => question = (*asked).to_string(),
                false => {
                    session
                        .restore_turn(asked, answer.unwrap_or_default())
                        .await?
                }
            }
        }
        Ok((session, question))
    }

    /// The prompt, the logits along the expected continuation, and the program's own greedy answer.
    async fn case(&mut self, case: &ExpectedCase, picture: Option<Encoded>) -> Result<()> {
        let name = |what: &str| format!("{}.{what}", case.name);
        let model = self.model.clone();
        // A template's prompt is never a text.
        if let Prompt::ConvLlama3 { .. } = model.prompt {
            let text = prompt_text(&case.exchanges(), case.image.is_some());
            self.push(Row::of_count(
                "text",
                name("prompt"),
                usize::from(text != case.prompt),
                1,
            ));
        }

        let (mut forced, question) = self.asked(case, picture.clone(), Coverage::Live).await?;
        let mut recorder = Recorder::on();
        let (prompt_logits, step_logits) = forced
            .forced_logits(&question, &case.greedy_ids, PROMPT_POSITIONS, &mut recorder)
            .await?;
        let read = forced.sequence();
        let prompt_len = read.len() - (case.greedy_ids.len() - 1);
        let prompt = read.part(0..prompt_len).to_numbers();
        let differing = usize::from(prompt != case.input_ids);
        self.push(Row::of_count("text", name("input_ids"), differing, 1));
        if let Some(found) = recorder.into_stages().await?.remove("inputs_embeds") {
            let differing = found.shape[0].abs_diff(case.sequence_length);
            self.push(Row::of_count(
                "live",
                name("sequence_length"),
                differing,
                case.sequence_length,
            ));
            self.compare("live", name("inputs_embeds"), &found.values, FEATURE_LIMIT);
        }
        self.compare(
            "live",
            name("prompt_logits_last8"),
            &prompt_logits,
            LOGIT_LIMIT,
        );
        self.compare("live", name("step_logits"), &step_logits, LOGIT_LIMIT);
        let vocabulary = model.config.decoder.vocab_size;
        let wrong = step_logits
            .chunks(vocabulary)
            .zip(&case.greedy_ids)
            .filter(|(logits, expected)| !chooses(logits, **expected))
            .count();
        self.push(Row::of_count(
            "live",
            name("forced_ids"),
            wrong,
            case.greedy_ids.len(),
        ));

        // The program's own answer: the same ids up to the first stop id, unless a tie within the
        // tolerance led elsewhere, which the forced ids above would show as an error of the logits.
        let (mut free, question) = self.asked(case, picture, Coverage::Live).await?;
        let options = AskOptions {
            sampling: Sampling::greedy(),
            max_new_tokens: case.greedy_ids.len(),
            anyway: true,
            ..AskOptions::default()
        };
        let answer = free.ask(&question, &options, &mut Watch::nobody()).await?;
        let until = case
            .greedy_ids
            .iter()
            .position(|id| model.config.eos_token_ids.contains(id));
        let expected = &case.greedy_ids[..until.map_or(case.greedy_ids.len(), |at| at + 1)];
        let differing = answer
            .token_ids
            .iter()
            .zip(expected)
            .position(|(a, b)| a != b);
        let near_tie = differing.is_some_and(|at| {
            chooses(
                &step_logits[at * vocabulary..(at + 1) * vocabulary],
                answer.token_ids[at],
            )
        });
        let wrong = (differing.is_some() || answer.token_ids.len() != expected.len()) && !near_tie;
        self.push(Row::of_count(
            "live",
            name("greedy_ids"),
            usize::from(wrong),
            expected.len(),
        ));
        Ok(())
    }
}

/// Whether `id` is the best choice, or as good as the best within the tolerance.
fn chooses(logits: &[f32], id: u32) -> bool {
    let best = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits
        .get(id as usize)
        .is_some_and(|&logit| best - logit <= 2.0 * LOGIT_LIMIT)
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

fn to_stage(view: &safetensors::tensor::TensorView<'_>) -> Stage {
    let values = match view.dtype() {
        Dtype::U8 => view.data().iter().map(|&byte| f32::from(byte)).collect(),
        _ => view
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|&chunk| f32::from_le_bytes(chunk))
            .collect(),
    };
    Stage {
        shape: view.shape().to_vec(),
        values,
    }
}
