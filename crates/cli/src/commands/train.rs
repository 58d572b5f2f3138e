//! `inf-llava train`: runs the stages of a training file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::output::say_json;
use super::terminal::Interrupt;
use super::test_set::workers;
use super::{paths, say};
use crate::commands::arguments::{at_least_one, device_names, usage};
use crate::train::checkpoint::{self, read_companions};
use crate::train::file::TrainFile;
use crate::train::run::Report;
use crate::train::stage::{Ended, Project};
use crate::train::workers::Workers;
use inf_llava::dataset::OnBadRecord;
use inf_llava::gpu::device::{DeviceChoice, choose};

#[derive(Args)]
pub(super) struct TrainArgs {
    /// The training file (TOML): see train/demo/train.toml
    #[arg(value_parser = paths::parser())]
    file: PathBuf,
    /// Folder for the results, one folder a stage
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    out: PathBuf,
    /// Go on where an earlier run was stopped
    #[arg(long)]
    resume: bool,
    /// Only up to and with this stage
    #[arg(long, value_name = "NAME")]
    until: Option<String>,
    /// End at an entry of a data set that cannot be used, instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// Threads that share a step's units [default: one a core, on a GPU one]
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    workers: Option<usize>,
    /// Where to run: cpu, wgpu, auto (and cuda, if built with that feature)
    #[arg(long, default_value = "cpu", value_name = "DEVICE", value_parser = device_names(), hide_possible_values = true)]
    device: String,
    /// Write every report as a line of JSON to stdout
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: TrainArgs) -> anyhow::Result<ExitCode> {
    let file = TrainFile::read(&args.file)?;
    if let Some(name) = &args.until
        && !file.stage.iter().any(|stage| stage.name == *name)
    {
        let names: Vec<&str> = file.stage.iter().map(|stage| stage.name.as_str()).collect();
        return Err(usage(format!(
            "--until {name}: the stages are {}",
            names.join(", ")
        )));
    }
    let device = choose(DeviceChoice::from_name(&args.device)?).await?;
    let workers = Workers::new(args.workers.unwrap_or_else(|| workers(&device)))?;
    let mut project = Project::new(
        &file.model,
        read_companions(&file.model)?,
        file.seed,
        &args.out,
        device.device.clone(),
        workers,
    )?;
    if file.fresh {
        project.begin_anew();
    }
    if args.strict {
        project.on_bad = OnBadRecord::Refuse;
    }
    project.hold()?;
    let stop = Interrupt::new()?.stop;

    for stage in &file.stage {
        let folder = project.folder(stage);
        if checkpoint::exists(&folder) && !args.resume {
            return Err(usage(format!(
                "{} holds a checkpoint of an earlier run; add --resume to go on with it, or name another --out",
                folder.display()
            )));
        }
        eprintln!(
            "stage {}: {} steps on {}",
            stage.name, stage.steps, device.name
        );
        let bar = ProgressBar::new(stage.steps).with_style(style());
        let start = Instant::now();
        let mut first = None;
        let mut on_report = |report: &Report| {
            let begun = *first.get_or_insert(report.step);
            if args.json {
                say_json(report);
            }
            bar.set_position(report.step);
            let message = describe(report, begun, start.elapsed());
            match bar.is_hidden() {
                true => eprintln!("{} {}/{} {message}", stage.name, report.step, report.steps),
                false => bar.set_message(message),
            }
        };
        let ended = project.run(
            stage,
            &mut on_report,
            &mut |note| bar.suspend(|| eprintln!("{note}")),
            &stop,
        )?;
        bar.finish_and_clear();
        match ended {
            Ended::Finished => eprintln!(
                "stage {} done after {}: {}",
                stage.name,
                HumanDuration(start.elapsed()),
                folder.display()
            ),
            Ended::Stopped => {
                eprintln!("stopped; saved in {}; --resume goes on", folder.display());
                return Ok(ExitCode::from(130));
            }
        }
        if args.until.as_ref() == Some(&stage.name) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let folder = args.out.join("model");
    project.finish(&folder)?;
    match args.json {
        true => say_json(&serde_json::json!({ "model": folder })),
        false => say(folder.display()),
    }
    Ok(ExitCode::SUCCESS)
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
        .unwrap_or(ProgressStyle::default_bar())
}

/// Loss, speed, remaining time, and the task's measures.
fn describe(report: &Report, begun: u64, elapsed: Duration) -> String {
    let mut line = format!(
        "loss {:.4}, {:.1} samples/s",
        report.loss, report.samples_per_second
    );
    if report.step > begun {
        let each = elapsed.as_secs_f64() / (report.step - begun + 1) as f64;
        let left = Duration::from_secs_f64(each * (report.steps - report.step) as f64);
        line += &format!(", {} left", HumanDuration(left));
    }
    for (name, value) in &report.measures {
        line += &format!(", {name} {value:.3}");
    }
    line
}
