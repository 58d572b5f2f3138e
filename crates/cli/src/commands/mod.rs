//! The command line, with one file per command. stdout is for data, stderr for messages.

/// Replaces std's macro in the whole command line: the output is printable, and there is no panic
/// if stderr cannot be written. `eprintln` writes exactly one line.
macro_rules! eprint {
    ($($part:tt)*) => { crate::commands::output::talk(format_args!($($part)*)) };
}
macro_rules! eprintln {
    ($($part:tt)*) => { crate::commands::output::talk_line(format_args!($($part)*)) };
}

mod ablate;
mod arguments;
mod bench;
mod carried;
mod chat;
mod convert;
mod eval;
mod exit;
mod hub;
mod info;
mod input;
mod licenses;
mod manual;
mod model;
mod models;
mod output;
mod parity;
mod paths;
mod scenes;
mod serve;
mod stages;
mod terminal;
mod test_set;
mod train;
mod video;
mod vocabulary;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use inf_llava::printable::one_line;
use inf_llava::weights::maps::explain_cut_offs;
use input::refuse_to_overwrite;
use model::ModelArgs;
use output::say;

const EXAMPLES: &str = "\
Examples:
  inf-llava chat --image photo.jpg --prompt \"What is in the picture?\"
  inf-llava chat --image photo.jpg                  (a conversation; /help lists its commands)
  inf-llava chat --model smolvlm2-500m --image photo.jpg     (from the Hugging Face hub; inf-llava models lists more)
  curl -s https://example.com/a.png | inf-llava chat --image - --prompt \"Read the white sign.\"
  inf-llava parity --model tests/fixtures/tiny --device cpu

Without --model: $INF_LLAVA_MODEL, else models/demo in this folder or one above it, else the demo model that the
program carries: it knows drawings of one kind only (inf-llava scenes draws them).";

/// INF-LLaVA: talk about a high-resolution picture. Nothing leaves this machine.
#[derive(Parser)]
#[command(name = "inf-llava", version, after_help = format!("{}\n\n{EXAMPLES}", exit::CODES))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ask about a picture: once with --prompt, else as a conversation
    Chat(chat::ChatArgs),
    /// Write every intermediate tensor to a safetensors file
    Stages(stages::StagesArgs),
    /// Compare every stage with the PyTorch values in the model folder's expected.safetensors
    Parity(parity::ParityArgs),
    /// Train a model by a training file, stage by stage
    Train(train::TrainArgs),
    /// Train and score the paper's ablations, and write their tables
    Ablate(ablate::AblateArgs),
    /// Score a model on questions whose answers are known: scenes, LLaVA's format, POPE
    Eval(eval::EvalArgs),
    /// Make a small tokenizer for the scenes' texts
    Vocabulary(vocabulary::VocabularyArgs),
    /// Tell a model's sizes, parameters and the memory it needs
    Info(info::InfoArgs),
    /// List the models that are known by name: licence, download, memory, what each is good for
    Models(models::ModelsArgs),
    /// Make a checkpoint into shards that a browser can fetch and keep, quantised
    Convert(convert::ConvertArgs),
    /// Check every file of a converted model
    Verify(convert::VerifyArgs),
    /// Serve the page with a model on 127.0.0.1, and the model to OpenAI's clients
    Serve(serve::ServeArgs),
    /// Time the hot operations at the released sizes
    Bench(bench::BenchArgs),
    /// Draw pictures with questions and answers, for training and scoring
    Scenes(scenes::ScenesArgs),
    /// Print whose software this program is made of, and the licences
    #[command(alias = "licences")]
    Licenses,
    /// Print what makes a shell complete this program's arguments
    Completions(manual::CompletionsArgs),
    /// Print a page of the manual, or write all of them
    Man(manual::ManArgs),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // An argument may be an untrusted file name (`*.png`), and clap prints it unchanged.
            let shown = std::env::args_os().map(|argument| one_line(&argument.to_string_lossy()));
            return refuse(&Cli::try_parse_from(shown).err().unwrap_or(told));
        }
    };
    silence_drivers();
    explain_cut_offs();
    let done = pollster::block_on(async {
        match cli.command {
            Command::Chat(args) => chat::run(args).await,
            Command::Stages(args) => stages::run(args).await,
            Command::Parity(args) => parity::run(args).await,
            Command::Train(args) => train::run(args).await,
            Command::Ablate(args) => ablate::run(args).await,
            Command::Eval(args) => eval::run(args).await,
            Command::Vocabulary(args) => vocabulary::run(args),
            Command::Info(args) => info::run(args).await,
            Command::Models(args) => Ok(models::run(&args)),
            Command::Convert(args) => convert::run(args).await,
            Command::Verify(args) => convert::run_verify(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::Scenes(args) => scenes::run(args),
            Command::Licenses => licenses::run(),
            Command::Completions(args) => manual::completions(&args, Cli::command()),
            Command::Man(args) => manual::man(&args, Cli::command()),
        }
    });
    let code = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(exit::code(&error))
    });
    output::flush();
    code
}

/// Shows help and version, which are data, or the error in the arguments.
fn refuse(told: &clap::Error) -> ExitCode {
    if !told.use_stderr() {
        if let Err(error) = told.print() {
            output::lose(&error);
        }
        return ExitCode::SUCCESS;
    }
    // Output that cannot be written is lost, like all messages.
    drop(told.print());
    ExitCode::from(2)
}

/// Mesa's drivers print a line on stderr each time they look for a display in a session without a
/// desktop (ssh, a container). They look in a folder that only needs to have a name: below
/// /dev/null nobody can have placed anything for them to find, unlike in a shared folder.
fn silence_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the program has not started any thread yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", "/dev/null") };
    }
}
