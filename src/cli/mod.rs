//! The command line, a file a command. stdout is data, stderr is talk.

/// As std's, for the whole of the command line: printable, and without a panic where stderr cannot be written. What
/// `eprintln` is given is one line.
macro_rules! eprint {
    ($($part:tt)*) => { crate::cli::output::talk(format_args!($($part)*)) };
}
macro_rules! eprintln {
    ($($part:tt)*) => { crate::cli::output::talk_line(format_args!($($part)*)) };
}

#[cfg(feature = "train")]
mod ablate;
mod bench;
mod chat;
mod convert;
mod eval;
mod exam;
mod hub;
mod info;
mod licenses;
mod output;
mod parity;
mod scenes;
mod serve;
mod stages;
mod terminal;
#[cfg(feature = "train")]
mod train;
mod vocabulary;

use std::io::{IsTerminal, Read, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, anyhow};
use clap::{Args, Parser, Subcommand};

use crate::error::Error;
use crate::files::{self, FileState};
use crate::gpu::device::{ChosenDevice, DeviceChoice, choose};
use crate::gpu::ops::do_without;
use crate::image::Limits;
use crate::model::Model;
use crate::progress::{StopFlag, Watch};
use crate::text::printable::one_line;
use crate::timer::Timer;
use crate::weights::maps::explain_cut_offs;
use crate::weights::missing;
use crate::weights::source::Folder;
use output::say;
use terminal::Progress;

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    parity: a value is beyond its limit
  2    the command line is wrong, or the question is empty
  3    the model folder or the data is missing, incomplete or broken, or changed while it was in use, or a hub not to be trusted
  4    the picture cannot be read
  5    the model or the conversation does not fit
  6    the device is not there, or failed
  7    the output cannot be written, or another run is writing it
  130  stopped with Ctrl-C (serve ends with 0 then, as with SIGTERM)
  141  the reader of the output went away

Examples:
  inf-llava chat --image photo.jpg --prompt \"What is in the picture?\"
  inf-llava chat --image photo.jpg                  (a conversation; /help lists its commands)
  inf-llava parity --model tests/fixtures/tiny --device cpu

Without --model: $INF_LLAVA_MODEL, else models/demo in this folder or one above it.";

/// INF-LLaVA: talk about a high-resolution picture. Nothing leaves this machine.
#[derive(Parser)]
#[command(name = "inf-llava", version, about, after_help = EXIT_CODES)]
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
    #[cfg(feature = "train")]
    Train(train::TrainArgs),
    /// Train and score the paper's ablations, and write their tables
    #[cfg(feature = "train")]
    Ablate(ablate::AblateArgs),
    /// Score a model on questions whose answers are known: scenes, LLaVA's format, POPE
    Eval(eval::EvalArgs),
    /// Make a small tokenizer for the scenes' texts
    Vocabulary(vocabulary::VocabularyArgs),
    /// Tell a model's sizes, parameters and the memory it needs
    Info(info::InfoArgs),
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
}

/// What every command that loads a model takes.
#[derive(Args)]
struct ModelArgs {
    /// Model folder: config.json, tokenizer.json, *.safetensors in the released layout
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Where to run: auto (a GPU, else a software adapter, else the CPU), wgpu, portable (wgpu with no more than
    /// every WebGPU adapter has), cpu (and cuda, if built with that feature)
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    device: String,
    /// Do without this kernel: its operation takes its slower body. To find out whether a driver gets one wrong
    #[arg(long, value_name = "NAME")]
    without_kernel: Vec<String>,
    /// Tokens of context to make room for [default: 4096, or less if the model knows fewer]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
}

impl ModelArgs {
    fn folder(&self) -> anyhow::Result<PathBuf> {
        find_model(
            self.model.clone(),
            std::env::var_os("INF_LLAVA_MODEL").map(PathBuf::from),
        )
    }

    async fn device(&self) -> anyhow::Result<ChosenDevice> {
        let device = choose(DeviceChoice::from_name(&self.device)?).await?;
        if let Some(notice) = &device.notice {
            eprintln!("{}: {notice}", device.name);
        }
        for name in &self.without_kernel {
            do_without(name, &device.device)?;
        }
        Ok(device)
    }

    /// Loads the model, with a progress bar; gives also the milliseconds that took.
    async fn load(&self, stop: &StopFlag) -> anyhow::Result<(Rc<Model>, f64)> {
        let folder = self.folder()?;
        let device = self.device().await?;
        let timer = Timer::start();
        let progress = Progress::new();
        let mut watch = Watch::new(stop.clone(), |event| progress.show(&event));
        let loaded = Model::load(Folder::new(&folder), &device, self.context, &mut watch).await;
        progress.clear();
        let model = loaded?;
        if stderr().is_terminal() {
            eprintln!("{} on {}", folder.display(), device.name);
            if model.config.random_weights {
                eprintln!(
                    "These weights are random: the answers are noise until a trained model takes their place."
                );
            }
        }
        Ok((Rc::new(model), timer.elapsed_ms()))
    }
}

/// The folder named, else the environment's, else `models/demo` here or above.
fn find_model(
    named: Option<PathBuf>,
    from_environment: Option<PathBuf>,
) -> anyhow::Result<PathBuf> {
    if let Some(folder) = named.or(from_environment) {
        let text = folder.to_string_lossy();
        let is_address = text.contains("://")
            || text.starts_with("hf.co/")
            || text.starts_with("huggingface.co/");
        if is_address && !folder.exists() {
            return Err(Error::Option {
                option: "model".into(),
                reason: "it is an address, and a model is a folder here; convert it first: inf-llava convert ADDRESS FOLDER".into(),
            }
            .into());
        }
        return Ok(missing::folder_of(&folder)?);
    }
    let here = std::env::current_dir().context("the current folder cannot be found")?;
    here.ancestors()
        .map(|folder| folder.join("models/demo"))
        .find(|folder| folder.is_dir())
        .ok_or_else(|| {
            Error::FileMissing {
                file: here.join("models/demo").display().to_string(),
            }
            .into()
        })
}

/// Refuses to write over what is read: `input`, under whatever name or link.
///
/// # Errors
/// [`Error::Option`].
fn refuse_to_overwrite(input: &Path, option: &str, output: &Path) -> anyhow::Result<()> {
    let state = |path| FileState::at(path).ok().flatten();
    match state(output).filter(|output| state(input) == Some(*output)) {
        None => Ok(()),
        Some(_) => Err(Error::Option {
            option: option.into(),
            reason: format!(
                "{} is read by this command and would be lost; name another file",
                output.display()
            ),
        }
        .into()),
    }
}

/// The bytes of a picture's file, no more than a picture within the limits can have.
fn read_image(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cap = Limits::default().file_bytes();
    let failed = |reason: String| Error::ImageFormat {
        file: path.display().to_string(),
        reason,
    };
    let mut bytes = Vec::new();
    let read = files::open(path).and_then(|(file, _)| file.take(cap + 1).read_to_end(&mut bytes));
    read.map_err(|e| failed(format!("it cannot be opened: {e}")))?;
    if bytes.len() as u64 > cap {
        return Err(failed(format!(
            "it has more than {} MB, and no picture that can be read has",
            cap / 1_000_000
        ))
        .into());
    }
    Ok(bytes)
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // An argument may be the name of a stranger's file (`*.png`); clap shows it as it is.
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
            #[cfg(feature = "train")]
            Command::Train(args) => train::run(args).await,
            #[cfg(feature = "train")]
            Command::Ablate(args) => ablate::run(args).await,
            Command::Eval(args) => eval::run(args).await,
            Command::Vocabulary(args) => vocabulary::run(args),
            Command::Info(args) => info::run(args).await,
            Command::Convert(args) => convert::run(args).await,
            Command::Verify(args) => convert::run_verify(args).await,
            Command::Serve(args) => serve::run(args).await,
            Command::Bench(args) => bench::run(args).await,
            Command::Scenes(args) => scenes::run(args),
            Command::Licenses => licenses::run(),
        }
    });
    let code = done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(exit_code(&error))
    });
    output::flush();
    code
}

/// Help and version, which are data, or what is wrong with the arguments.
fn refuse(told: &clap::Error) -> ExitCode {
    if !told.use_stderr() {
        if let Err(error) = told.print() {
            output::lose(&error);
        }
        return ExitCode::SUCCESS;
    }
    // What cannot be written is lost, as all talk.
    drop(told.print());
    ExitCode::from(2)
}

/// Mesa's drivers print a line on stderr for every look at a display that a session without a desktop
/// (ssh, a container) does not have. They look below a folder that only has to have a name: below /dev/null nobody
/// can have put anything for them to find, as anybody could in a shared folder.
fn silence_drivers() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the program has started no thread yet.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", "/dev/null") };
    }
}

/// See [`EXIT_CODES`].
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Error>() {
        None => 2,
        Some(error) => match error {
            Error::EmptyQuestion | Error::Option { .. } => 2,
            Error::ImageFormat { .. }
            | Error::ImageDamaged { .. }
            | Error::ImageTooLarge { .. } => 4,
            Error::Memory { .. } | Error::ContextExceeded { .. } | Error::OutOfMemory { .. } => 5,
            Error::Device { .. } | Error::DeviceLost { .. } | Error::NotFinite { .. } => 6,
            Error::Output { .. } | Error::FolderInUse { .. } => 7,
            Error::Stopped => 130,
            _ => 3,
        },
    }
}

fn usage(message: String) -> anyhow::Error {
    anyhow!(message)
}
