//! `inf-llava models`: the models that are known by name.

use std::process::ExitCode;

use clap::Args;

use super::output::{say, say_json};
use inf_llava::known::{all, lines};

#[derive(Args)]
#[command(after_help = "\
--model takes each NAME, and the repository under it. DOWNLOAD: the weights as published. 4 BITS: the same after
`inf-llava convert`. MEMORY: converted, with a conversation of 4096 tokens. PICTURE TOKENS: of a photograph of
4000 x 3000 pixels with --detail low, auto and high. Revisions are the branch main.")]
pub(super) struct ModelsArgs {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ModelsArgs) -> ExitCode {
    if args.json {
        say_json(&all());
        return ExitCode::SUCCESS;
    }
    for line in lines(all()) {
        say(line);
    }
    ExitCode::SUCCESS
}
