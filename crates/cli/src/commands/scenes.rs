//! `inf-llava scenes`: a folder of drawn pictures with questions and answers.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::output::counted;
use super::{paths, say};
use crate::commands::arguments::at_least_one;
use crate::scenes::{SceneOptions, Split, write_folder};
use inf_llava::error::Error;

#[derive(Args)]
pub struct ScenesArgs {
    /// Equal seeds give equal folders
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Pictures to draw
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Folder to write: images/*.png and scenes.json; it must hold no scenes.json
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    out: PathBuf,
    /// train, or test (with the colour-shape pairs and words that train never shows)
    #[arg(long, default_value = "train", value_name = "SPLIT")]
    split: String,
    /// Questions about each picture
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = at_least_one)]
    questions: usize,
    /// Crowded pictures with a description each instead of questions
    #[arg(long)]
    dense: bool,
}

pub fn run(args: ScenesArgs) -> anyhow::Result<ExitCode> {
    let known = Split::ALL.into_iter().find(|s| s.name() == args.split);
    let Some(split) = known else {
        return Err(Error::Option {
            option: "split".into(),
            reason: format!("{} is neither train nor test", args.split),
        }
        .into());
    };
    let options = SceneOptions {
        split,
        dense: args.dense,
        ..SceneOptions::default()
    };
    let bar = ProgressBar::new(args.count);
    if let Ok(style) = ProgressStyle::with_template("Drawing {wide_bar} {pos}/{len} pictures") {
        bar.set_style(style);
    }
    let written = write_folder(
        &args.out,
        args.seed,
        args.count,
        &options,
        args.questions,
        |done| bar.set_position(done),
    );
    bar.finish_and_clear();
    let written = written?;
    say(format_args!(
        "{}, {}: {}",
        counted(written.pictures as usize, "picture"),
        counted(written.questions as usize, "question"),
        written.list.display()
    ));
    Ok(ExitCode::SUCCESS)
}
