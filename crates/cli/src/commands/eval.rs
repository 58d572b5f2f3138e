//! `inf-llava eval`: scores a model on questions whose answers are known.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::model::place_of;
use super::output::{say_json, say_lines};
use super::terminal::Interrupt;
use super::test_set::{ModelUnderTest, TestSet, ask_all, diverge, workers};
use super::{ModelArgs, paths, refuse_to_overwrite, say};
use crate::commands::arguments::at_least_one;
use crate::evaluate::run::{Answered, Asked, Divergence, LeftOut, judge_descriptions, tally};
use crate::evaluate::{Descriptions, Pope, Report};
use inf_llava::dataset::{OnBadRecord, llava, pope};
use inf_llava::durable;
use inf_llava::error::{Error, Result};
use inf_llava::spec::Detail;

#[derive(Args)]
pub(super) struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Scenes of this seed (test split) are asked about
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Questions to ask
    #[arg(long, default_value_t = 1000, value_name = "K", value_parser = at_least_one)]
    count: usize,
    /// Questions about each scene
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = at_least_one)]
    questions: usize,
    /// Ask for descriptions of --count scenes instead, and tell how many are right throughout
    #[arg(long, conflicts_with_all = ["data", "pope", "questions"])]
    descriptions: bool,
    /// A LLaVA-format JSON instead of scenes (needs --images)
    #[arg(
        long,
        value_name = "FILE",
        value_parser = paths::parser(),
        requires = "images",
        conflicts_with = "pope"
    )]
    data: Option<PathBuf>,
    /// A POPE file (JSON lines) instead of scenes (needs --images)
    #[arg(long, value_name = "FILE", value_parser = paths::parser(), requires = "images")]
    pope: Option<PathBuf>,
    /// The folder of the data's pictures
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    images: Option<PathBuf>,
    /// End at an entry that cannot be used, instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// Ask without showing the pictures: what can be answered from the words alone
    #[arg(long)]
    blind: bool,
    /// How closely the pictures are looked at, where the model has a choice: low, auto, high, or the most visual tokens of
    /// a picture
    #[arg(long, value_name = "LEVEL", default_value_t, conflicts_with = "blind")]
    detail: Detail,
    /// Also tell how far the next-token distributions are from those of this model
    #[arg(long, value_name = "MODEL", value_parser = paths::parser())]
    reference: Option<PathBuf>,
    /// Write every question and answer as a line of JSON to this file
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    answers: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: EvalArgs) -> anyhow::Result<ExitCode> {
    if let Some(answers) = &args.answers {
        for input in args.data.iter().chain(&args.pope) {
            refuse_to_overwrite(input, "answers", answers)?;
        }
    }
    let on_bad = match args.strict {
        true => OnBadRecord::Refuse,
        false => OnBadRecord::Skip,
    };
    let images = args.images.clone().unwrap_or_default();
    let set = match (&args.data, &args.pope) {
        (Some(file), _) => TestSet::Records(llava::read(file, &images, on_bad)?),
        (None, Some(file)) => TestSet::Records(pope::read(file, &images, on_bad)?),
        (None, None) if args.descriptions => TestSet::Descriptions {
            seed: args.seed,
            count: args.count,
        },
        (None, None) => TestSet::Scenes {
            seed: args.seed,
            questions: args.questions,
            count: args.count,
        },
    };
    if let TestSet::Records(records) = &set {
        eprintln!("{}", records.skipped);
        if records.records.is_empty() {
            return Err(Error::Dataset {
                file: records.file.clone(),
                reason: format!("nothing in it can be asked: {}", records.skipped),
            }
            .into());
        }
    }
    let stop = Interrupt::new()?.stop;
    let reference = args.reference.as_deref();
    let reference = reference.map(|name| place_of(name, "--reference", &stop));
    let reference = reference.transpose()?;
    let model = ModelUnderTest {
        place: &args.model.place(&stop)?,
        device: &args.model.device().await?,
        context: args.model.context,
        prompt: &args.model.prompt.choice()?,
        detail: (!args.blind).then_some(args.detail),
    };
    let answered = ask_all(&model, &set, workers(model.device), &stop)?;
    tell_left_out(&answered, &set, on_bad)?;
    if let Some(file) = &args.answers {
        write_answers(file, &answered.asked)?;
    }
    let divergence = match &reference {
        Some(place) => {
            let reference = ModelUnderTest { place, ..model };
            Some(diverge(&model, &reference, &set, &stop)?)
        }
        None => None,
    };
    report(&args, &set, &answered, divergence)?;
    Ok(ExitCode::SUCCESS)
}

/// Reports the questions that could not be asked.
fn tell_left_out(answered: &Answered, set: &TestSet, on_bad: OnBadRecord) -> Result<()> {
    let Some(LeftOut { id, error, .. }) = answered.left_out.first() else {
        return Ok(());
    };
    let file = match set {
        TestSet::Records(records) => records.file.as_str(),
        TestSet::Scenes { .. } | TestSet::Descriptions { .. } => "the drawn scenes",
    };
    if on_bad == OnBadRecord::Refuse {
        return Err(Error::BadRecord {
            file: file.into(),
            id: id.clone(),
            reason: error.to_string(),
        });
    }
    let count = answered.questions_left_out();
    eprintln!("{count} questions could not be asked and are not counted (first: id {id}: {error})");
    match answered.asked.is_empty() {
        true => Err(Error::Dataset {
            file: file.into(),
            reason: format!("none of its questions could be asked (first: id {id}: {error})"),
        }),
        false => Ok(()),
    }
}

fn write_answers(file: &Path, asked: &[Asked]) -> Result<()> {
    let mut lines = String::new();
    for one in asked {
        lines += &serde_json::to_string(one).map_err(|e| durable::failed(file, e))?;
        lines.push('\n');
    }
    durable::write_file(file, lines.as_bytes())
}

fn report(
    args: &EvalArgs,
    set: &TestSet,
    answered: &Answered,
    divergence: Option<Divergence>,
) -> anyhow::Result<()> {
    let asked = &answered.asked;
    let skipped = SkippedCounts {
        records: match set {
            TestSet::Records(records) => records.skipped.reasons.len(),
            TestSet::Scenes { .. } | TestSet::Descriptions { .. } => 0,
        },
        questions: answered.questions_left_out(),
    };
    if args.descriptions {
        let descriptions = judge_descriptions(args.seed, asked);
        match args.json {
            true => say_json(&DescriptionScores {
                descriptions,
                divergence,
                skipped,
            }),
            false => {
                say_lines(descriptions);
                say_divergence(divergence);
            }
        }
        return Ok(());
    }
    if args.pope.is_some() {
        let mut pope = Pope::default();
        for one in asked {
            pope.add(one.expected == "yes", &one.answer);
        }
        match args.json {
            true => say_json(&PopeScores { pope, skipped }),
            false => say_lines(pope),
        }
        return Ok(());
    }
    let chances: Vec<f64> = asked
        .iter()
        .filter_map(|one| one.chance)
        .map(f64::from)
        .collect();
    let chance = match chances.len() == asked.len() && !chances.is_empty() {
        true => Some(chances.iter().sum::<f64>() / chances.len() as f64),
        false => None,
    };
    let report = tally(asked).report(chance)?;
    if args.json {
        say_json(&Scores {
            report,
            divergence,
            skipped,
        });
        return Ok(());
    }
    say_lines(report);
    say_divergence(divergence);
    Ok(())
}

fn say_divergence(divergence: Option<Divergence>) {
    if let Some(Divergence { mean, tokens, .. }) = divergence {
        say(format_args!(
            "next-token divergence from the reference: {mean:.5} nats ({tokens} tokens)"
        ));
    }
}

/// Counts of what was skipped and is in no score.
#[derive(Clone, Copy, Default, PartialEq, serde::Serialize)]
struct SkippedCounts {
    /// Unusable entries of the file.
    records: usize,
    /// Questions whose picture cannot be read, or that are too long.
    questions: usize,
}

impl SkippedCounts {
    fn is_none(&self) -> bool {
        *self == SkippedCounts::default()
    }
}

#[derive(serde::Serialize)]
struct Scores {
    #[serde(flatten)]
    report: Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<Divergence>,
    #[serde(skip_serializing_if = "SkippedCounts::is_none")]
    skipped: SkippedCounts,
}

#[derive(serde::Serialize)]
struct DescriptionScores {
    descriptions: Descriptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    divergence: Option<Divergence>,
    #[serde(skip_serializing_if = "SkippedCounts::is_none")]
    skipped: SkippedCounts,
}

#[derive(serde::Serialize)]
struct PopeScores {
    #[serde(flatten)]
    pope: Pope,
    #[serde(skip_serializing_if = "SkippedCounts::is_none")]
    skipped: SkippedCounts,
}
