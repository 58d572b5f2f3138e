//! `inf-llava eval`: scores a model on questions whose answers are known.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::Interrupt;
use super::{ModelArgs, say, usage};
use crate::dataset::{OnBadRecord, Records, llava, pope};
use crate::error::{Error, Result};
use crate::evaluate::run::{Asked, Candidate, Sheet};
use crate::evaluate::{Pope, Tally};
use crate::gpu::device::ChosenDevice;
use crate::model::Model;
use crate::progress::{StopFlag, Watch};
use crate::weights::source::Folder;

#[derive(Args)]
pub(super) struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Scenes of this seed (test split) are asked about
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Questions to ask
    #[arg(long, default_value_t = 1000, value_name = "K")]
    count: usize,
    /// Questions about each scene
    #[arg(long, default_value_t = 6, value_name = "N")]
    questions: usize,
    /// A LLaVA-format JSON instead of scenes (needs --images)
    #[arg(
        long,
        value_name = "FILE",
        requires = "images",
        conflicts_with = "pope"
    )]
    data: Option<PathBuf>,
    /// A POPE file (JSON lines) instead of scenes (needs --images)
    #[arg(long, value_name = "FILE", requires = "images")]
    pope: Option<PathBuf>,
    /// The folder of the data's pictures
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// End at an entry that cannot be used, instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// Ask without showing the pictures: what can be answered from the words alone
    #[arg(long)]
    blind: bool,
    /// Write every question and answer as a line of JSON to this file
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// What is asked.
enum Exam {
    Scenes {
        seed: u64,
        questions: usize,
        count: usize,
    },
    Records(Records),
}

impl Exam {
    fn sheets(&self) -> usize {
        match self {
            Exam::Scenes {
                questions, count, ..
            } => count.div_ceil(*questions),
            Exam::Records(records) => records.records.len(),
        }
    }

    fn sheet(&self, index: usize, model: &Model) -> Result<Sheet> {
        match self {
            Exam::Scenes {
                seed,
                questions,
                count,
            } => {
                let count = (*questions).min(count - index * questions);
                let side_px = crate::scenes::SIDE_PX as usize;
                Ok(Sheet::of_scene(*seed, index as u64, side_px, count))
            }
            Exam::Records(records) => Sheet::of_record(&records.records[index], model),
        }
    }
}

pub(super) async fn run(args: EvalArgs) -> anyhow::Result<ExitCode> {
    if args.count == 0 || args.questions == 0 {
        return Err(usage("--count and --questions must be at least 1".into()));
    }
    let on_bad = match args.strict {
        true => OnBadRecord::Refuse,
        false => OnBadRecord::Skip,
    };
    let images = args.images.clone().unwrap_or_default();
    let exam = match (&args.data, &args.pope) {
        (Some(file), _) => Exam::Records(llava::read(file, &images, on_bad)?),
        (None, Some(file)) => Exam::Records(pope::read(file, &images, on_bad)?),
        (None, None) => Exam::Scenes {
            seed: args.seed,
            questions: args.questions,
            count: args.count,
        },
    };
    if let Exam::Records(records) = &exam {
        eprintln!("{}", records.skipped);
    }
    let stop = Interrupt::new()?.stop;
    let asked = ask_all(&args, &exam, &stop).await?;
    if let Some(file) = &args.answers {
        write_answers(file, &asked)?;
    }
    report(&args, &asked)?;
    Ok(ExitCode::SUCCESS)
}

/// All questions with their answers, in order. On the CPU each core has a model of its own: the
/// models that are scored often are small.
async fn ask_all(args: &EvalArgs, exam: &Exam, stop: &StopFlag) -> anyhow::Result<Vec<Asked>> {
    let folder = args.model.folder()?;
    let device = args.model.device().await?;
    let is_cpu = args.model.device == "cpu";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if is_cpu { cores } else { 1 };
    let bar = ProgressBar::new(exam.sheets() as u64);
    if let Ok(style) = ProgressStyle::with_template("Asking {wide_bar} {pos}/{len} pictures {eta}")
    {
        bar.set_style(style);
    }
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let outcome = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|_| {
                let (send, next, bar) = (send.clone(), &next, &bar);
                let (folder, device) = (&folder, &device);
                scope.spawn(move || {
                    let mut candidate = load(folder, device, args, stop)?;
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= exam.sheets() {
                            return Ok(());
                        }
                        let sheet = exam.sheet(index, &candidate.1)?;
                        let mut watch = Watch::new(stop.clone(), |_| {});
                        let asked = pollster::block_on(candidate.0.answer(sheet, &mut watch))?;
                        bar.inc(1);
                        // The receiver outlives every sender.
                        let _ = send.send((index, asked));
                    }
                })
            })
            .collect();
        handles
            .into_iter()
            .try_for_each(|handle| match handle.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    });
    drop(send);
    bar.finish_and_clear();
    let outcome: Result<()> = outcome;
    outcome?;
    let mut sheets: Vec<(usize, Vec<Asked>)> = receive.into_iter().collect();
    sheets.sort_by_key(|(index, _)| *index);
    Ok(sheets.into_iter().flat_map(|(_, asked)| asked).collect())
}

fn load(
    folder: &Path,
    device: &ChosenDevice,
    args: &EvalArgs,
    stop: &StopFlag,
) -> Result<(Candidate, Rc<Model>)> {
    let mut watch = Watch::new(stop.clone(), |_| {});
    let source = Folder::new(folder);
    let model = Model::load(source, device, args.model.context, &mut watch);
    let model = Rc::new(pollster::block_on(model)?);
    Ok((Candidate::new(Rc::clone(&model), !args.blind), model))
}

fn write_answers(file: &Path, asked: &[Asked]) -> Result<()> {
    let output = |error: &dyn std::fmt::Display| Error::Output {
        file: file.display().to_string(),
        reason: error.to_string(),
    };
    let mut out = std::io::BufWriter::new(std::fs::File::create(file).map_err(|e| output(&e))?);
    for one in asked {
        let line = serde_json::to_string(one).map_err(|e| output(&e))?;
        writeln!(out, "{line}").map_err(|e| output(&e))?;
    }
    out.flush().map_err(|e| output(&e))
}

fn report(args: &EvalArgs, asked: &[Asked]) -> anyhow::Result<()> {
    if args.pope.is_some() {
        let mut pope = Pope::default();
        for one in asked {
            pope.add(one.expected == "yes", &one.answer);
        }
        match args.json {
            true => say(serde_json::to_string(&pope)?),
            false => say(pope),
        }
        return Ok(());
    }
    let mut tally = Tally::default();
    for one in asked {
        tally.add(
            &one.expected,
            &one.answer,
            one.family.as_deref(),
            one.held_out,
        );
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
    let report = tally.report(chance)?;
    match args.json {
        true => say(serde_json::to_string(&report)?),
        false => say(report),
    }
    Ok(())
}
