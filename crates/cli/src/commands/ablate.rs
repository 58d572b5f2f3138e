//! `inf-llava ablate`: trains and scores the paper's ablations, and writes their tables.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::model::Place;
use super::output::say_lines;
use super::terminal::Interrupt;
use super::test_set::{ModelUnderTest, TestSet, ask_all, workers};
use super::{paths, refuse_to_overwrite};
use crate::commands::arguments::device_names;
use crate::evaluate::run::tally;
use crate::train::ablation::{AblationFile, Outcome, Row};
use crate::train::checkpoint::read_companions;
use crate::train::file::configure;
use crate::train::run::Report;
use crate::train::stage::{Ended, Project, lock_out};
use crate::train::workers::Workers;
use inf_llava::config::{CONFIG_FILE, Config};
use inf_llava::durable;
use inf_llava::error::Error;
use inf_llava::files;
use inf_llava::gpu::device::{ChosenDevice, DeviceChoice, choose};
use inf_llava::progress::StopFlag;
use inf_llava::spec::Detail;
use inf_llava::spec::plan::Coverage;
use inf_llava::text::prompt::PromptChoice;

/// Size limit in bytes; an outcome has a few hundred.
const OUTCOME_CAP: u64 = 1 << 20;
/// Questions about each scene.
const QUESTIONS: usize = 6;

#[derive(Args)]
pub(super) struct AblateArgs {
    /// The ablation file (TOML): see train/ablation/ablation.toml
    #[arg(value_parser = paths::parser())]
    file: PathBuf,
    /// Folder for the runs; those that are finished there are not run again
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    out: PathBuf,
    /// Where the tables are written, in Markdown [default: only to stdout]
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    table: Option<PathBuf>,
    /// Where to run: cpu, wgpu, auto (and cuda, if built with that feature)
    #[arg(long, default_value = "cpu", value_name = "DEVICE", value_parser = device_names(), hide_possible_values = true)]
    device: String,
}

pub(super) async fn run(args: AblateArgs) -> anyhow::Result<ExitCode> {
    if let Some(table) = &args.table {
        refuse_to_overwrite(&args.file, "table", table)?;
    }
    let file = AblationFile::read(&args.file)?;
    let device = choose(DeviceChoice::from_name(&args.device)?).await?;
    let _lock = lock_out(&args.out)?;
    let stop = Interrupt::new()?.stop;
    let ablation = Ablation {
        args: &args,
        file: &file,
        device,
        stop,
    };
    let mut outcomes = BTreeMap::new();
    for &seed in &file.seeds {
        for row in file.rows() {
            let Some(outcome) = ablation.outcome(row, seed)? else {
                eprintln!("stopped; the same command goes on");
                return Ok(ExitCode::from(130));
            };
            eprintln!(
                "{} seed {seed}: {:.1} % of {} questions",
                row.name,
                100.0 * outcome.overall,
                file.exam_count
            );
            outcomes.insert((row.id.clone(), seed), outcome);
        }
    }
    let tables = file.tables(&outcomes);
    if let Some(path) = &args.table {
        durable::write_file(path, tables.as_bytes())?;
    }
    say_lines(tables);
    Ok(ExitCode::SUCCESS)
}

struct Ablation<'a> {
    args: &'a AblateArgs,
    file: &'a AblationFile,
    device: ChosenDevice,
    stop: StopFlag,
}

impl Ablation<'_> {
    /// The outcome of `row` with `seed`, read from its folder if it was run before; `None` if the
    /// run was stopped.
    fn outcome(&self, row: &Row, seed: u64) -> anyhow::Result<Option<Outcome>> {
        let folder = self.args.out.join(format!("{}-{seed}", row.id));
        let result = folder.join("outcome.json");
        if let Ok(json) = files::read(&result, OUTCOME_CAP) {
            let read = serde_json::from_slice(&json);
            return Ok(Some(read.map_err(|e| Error::config(result.display(), e))?));
        }
        let Some(config) = self.train(row, seed, &folder)? else {
            return Ok(None);
        };
        let outcome = self.score(&folder.join("model"), &config)?;
        let json = serde_json::to_vec_pretty(&outcome)?;
        durable::write_file(&result, &json)?;
        Ok(Some(outcome))
    }

    fn train(&self, row: &Row, seed: u64, folder: &Path) -> anyhow::Result<Option<Config>> {
        let mut companions = read_companions(&self.file.model)?;
        if let Some(json) = companions.get_mut(CONFIG_FILE) {
            *json = configure(json, &row.inf_llava)?;
        }
        let workers = Workers::new(workers(&self.device))?;
        let device = self.device.device.clone();
        let mut project =
            Project::new(&self.file.model, companions, seed, folder, device, workers)?;
        project.features = self.args.out.join("features");
        let config = project.config.clone();
        for stage in &self.file.stage {
            let mut on_report = |report: &Report| {
                eprintln!(
                    "{} seed {seed} {} {}/{} loss {:.4}, {:.1} samples/s",
                    row.name,
                    stage.name,
                    report.step,
                    report.steps,
                    report.loss,
                    report.samples_per_second
                );
            };
            let mut on_note = |note: &str| eprintln!("{note}");
            let ended = project.run(stage, &mut on_report, &mut on_note, &self.stop)?;
            if ended == Ended::Stopped {
                return Ok(None);
            }
        }
        project.finish(&folder.join("model"))?;
        Ok(Some(config))
    }

    fn score(&self, model: &Path, config: &Config) -> anyhow::Result<Outcome> {
        let model = ModelUnderTest {
            place: &Place::Folder(model.to_path_buf()),
            device: &self.device,
            context: None,
            prompt: &PromptChoice::Own,
            detail: Some(Detail::Auto),
        };
        let set = TestSet::Scenes {
            seed: self.file.exam_seed,
            questions: QUESTIONS,
            count: self.file.exam_count,
        };
        let asked = ask_all(&model, &set, workers(&self.device), &self.stop)?;
        let tally = tally(&asked.asked);
        let scores = tally.families.iter();
        Ok(Outcome {
            overall: tally.overall.exact_match(),
            families: scores
                .map(|(name, score)| (name.clone(), score.exact_match()))
                .collect(),
            vision_passes: config
                .require_vision("training")?
                .largest_layout(Coverage::Live)?
                .passes(),
        })
    }
}
