//! `inf-llava vocabulary`: a small tokenizer for the scenes' texts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{paths, say};
use crate::commands::arguments::at_least_one;
use crate::scenes::{REQUESTS, SceneOptions, caption, question_rng, questions, scene};
use inf_llava::dataset::vocabulary::train_tokenizer;
use inf_llava::durable;

/// Questions about each scene.
const QUESTIONS: usize = 12;

#[derive(Args)]
pub(super) struct VocabularyArgs {
    /// Scenes whose questions, answers and captions are learnt from
    #[arg(long, default_value_t = 5000, value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    scenes: u64,
    /// The first scenes of this seed
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Most entries, control tokens included
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = at_least_one)]
    size: usize,
    /// Where tokenizer.json is written
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    out: PathBuf,
}

pub(super) fn run(args: VocabularyArgs) -> anyhow::Result<ExitCode> {
    let texts = (0..args.scenes).flat_map(|index| {
        let scene = scene(args.seed, index, &SceneOptions::default());
        let mut rng = question_rng(args.seed, index);
        let request = REQUESTS[index as usize % REQUESTS.len()].to_string();
        let mut texts = vec![request, caption(&scene)];
        for question in questions(&scene, &mut rng, QUESTIONS) {
            texts.extend([question.text, question.answer]);
        }
        texts
    });
    let json = train_tokenizer(texts, args.size)?;
    durable::write_file(&args.out, json.as_ref())?;
    say(format_args!("{}: {} bytes", args.out.display(), json.len()));
    Ok(ExitCode::SUCCESS)
}
