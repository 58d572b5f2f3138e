//! The model of a command and its device, and loading it.

use std::cell::OnceCell;
use std::fmt;
use std::io::{IsTerminal, stderr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;
use bytes::Bytes;
use clap::Args;

use super::carried::Carried;
use super::hub::{self, Named};
use super::paths;
use super::terminal::Progress;
use crate::commands::arguments::device_names;
use inf_llava::error::{Error, Result};
use inf_llava::files;
use inf_llava::gpu::device::{ChosenDevice, DeviceChoice, choose};
use inf_llava::gpu::ops::disable_kernel;
use inf_llava::hub::{Repository, Weights};
use inf_llava::model::Model;
use inf_llava::platform::Timer;
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::text::prompt::{PROMPT_FILES, PromptChoice, conv_llama3, read_prompt};
use inf_llava::weights::folder::Folder;
use inf_llava::weights::identity::identity;
use inf_llava::weights::missing::folder_of;
use inf_llava::weights::source::Source;

/// The environment variable that names the model.
const VARIABLE: &str = "INF_LLAVA_MODEL";
/// Searched for in the current folder and its parents: the model of this project's checkout.
const DEFAULT_FOLDER: &str = "models/demo";

/// What every command that loads a model takes.
#[derive(Args)]
pub(super) struct ModelArgs {
    /// Model folder: config.json, tokenizer.json, *.safetensors, or a converted one. Or a name that `inf-llava models`
    /// lists, or a repository of the Hugging Face hub (owner/name, owner/name@revision), which is downloaded once
    /// [default: $INF_LLAVA_MODEL, else models/demo in this folder or one above it, else the demo model in the program]
    #[arg(long, value_name = "MODEL", value_parser = paths::parser())]
    pub(super) model: Option<PathBuf>,
    /// Where to run: auto (a GPU, else the processor), wgpu (a GPU, else a software adapter), portable (wgpu with no more
    /// than every WebGPU adapter has), cpu (and cuda, if built with that feature)
    #[arg(long, default_value = "auto", value_name = "DEVICE", value_parser = device_names(), hide_possible_values = true)]
    pub(super) device: String,
    /// Do without this kernel: its operation takes its slower body. To find out whether a driver gets one wrong
    #[arg(long, value_name = "NAME")]
    pub(super) without_kernel: Vec<String>,
    /// Tokens of context to make room for [default: 4096, or less if the model knows fewer]
    #[arg(long, value_name = "TOKENS")]
    pub(super) context: Option<usize>,
    #[command(flatten)]
    pub(super) prompt: PromptArgs,
    /// Where it is, once that was found out: the hub is asked once.
    #[arg(skip)]
    found: OnceCell<Place>,
}

/// How a model is asked.
#[derive(Args, Clone, Default)]
pub(super) struct PromptArgs {
    /// The prompt: conv_llama3 (the released one), checkpoint (the chat template among the model's files), or a file with
    /// a template in Jinja [default: conv_llama3, which INF-LLaVA was trained with]
    #[arg(long, value_name = "FILE", value_parser = paths::parser())]
    pub(super) chat_template: Option<PathBuf>,
}

impl PromptArgs {
    /// What was chosen; a file is read.
    ///
    /// # Errors
    /// [`Error::FileAccess`], [`Error::Config`], [`Error::Option`].
    pub(super) fn choice(&self) -> Result<PromptChoice> {
        let Some(path) = &self.chat_template else {
            return Ok(PromptChoice::Own);
        };
        match path.to_str() {
            Some(conv_llama3::NAME) => return Ok(PromptChoice::ConvLlama3),
            Some("checkpoint") => return Ok(PromptChoice::Checkpoint),
            _ => {}
        }
        let file = path.display().to_string();
        let most = PROMPT_FILES.iter().map(|file| file.most_bytes).max();
        let bytes = files::read(path, most.unwrap_or_default()).map_err(|error| {
            let what = "; --chat-template takes conv_llama3, checkpoint or a file";
            Error::FileAccess {
                file: file.clone(),
                reason: format!("{error}{what}"),
            }
        })?;
        match read_prompt(&file, &bytes)? {
            Some(found) => Ok(PromptChoice::Given(found)),
            None => Err(Error::config(file, "it has no chat_template")),
        }
    }
}

impl ModelArgs {
    /// Of the model in a folder.
    pub(super) fn in_folder(
        folder: PathBuf,
        device: String,
        context: Option<usize>,
        prompt: PromptArgs,
    ) -> Self {
        ModelArgs {
            model: Some(folder),
            device,
            without_kernel: Vec::new(),
            context,
            prompt,
            found: OnceCell::new(),
        }
    }

    /// Where the model is; downloads it if it is on the hub only.
    pub(super) fn place(&self, stop: &StopFlag) -> anyhow::Result<Place> {
        if let Some(place) = self.found.get() {
            return Ok(place.clone());
        }
        let place = find(self.model.clone(), "--model", stop)?;
        Ok(self.found.get_or_init(|| place).clone())
    }

    pub(super) async fn device(&self) -> anyhow::Result<ChosenDevice> {
        let device = choose(DeviceChoice::from_name(&self.device)?).await?;
        if let Some(notice) = &device.notice {
            eprintln!("{}: {notice}", device.name);
        }
        for name in &self.without_kernel {
            disable_kernel(name, &device.device)?;
        }
        Ok(device)
    }

    /// Loads the model, with a progress bar; also returns the loading time in milliseconds.
    pub(super) async fn load(&self, stop: &StopFlag) -> anyhow::Result<(Rc<Model>, f64)> {
        let place = self.place(stop)?;
        let choice = self.prompt.choice()?;
        let device = self.device().await?;
        let timer = Timer::start();
        let progress = Progress::new();
        let mut watch = Watch::new(stop.clone(), |event| progress.show(&event));
        let loaded = place.load(&device, self.context, &choice, &mut watch).await;
        progress.clear();
        let model = loaded?;
        if stderr().is_terminal() {
            eprintln!("{place} on {}", device.name);
            if model.config.random_weights {
                eprintln!(
                    "These weights are random: the answers are noise until a trained model takes their place."
                );
            }
        }
        Ok((Rc::new(model), timer.elapsed_ms()))
    }
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// In the hub's cache.
    Hub {
        /// The repository.
        repository: Repository,
        /// The folder of its files.
        folder: PathBuf,
    },
    /// Embedded in the program.
    Carried,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(folder) => write!(f, "{}", folder.display()),
            Place::Hub { repository, .. } => repository.fmt(f),
            Place::Carried => f.write_str("the demo model in the program"),
        }
    }
}

impl Place {
    /// The source of its files.
    pub(super) fn source(&self) -> Files {
        match self {
            Place::Folder(folder) | Place::Hub { folder, .. } => Files::Folder(Folder::new(folder)),
            Place::Carried => Files::Carried(Carried),
        }
    }

    /// The model's [`identity`].
    pub(super) async fn identity(&self) -> Result<String> {
        match self {
            Place::Folder(folder) | Place::Hub { folder, .. } => {
                identity(&Folder::new(folder)).await
            }
            Place::Carried => Ok(Carried::identity()),
        }
    }

    /// Loads it.
    pub(super) async fn load(
        &self,
        device: &ChosenDevice,
        context_tokens: Option<usize>,
        choice: &PromptChoice,
        watch: &mut Watch<'_>,
    ) -> Result<Model> {
        let source = self.source();
        Model::load_with_prompt(source, device, context_tokens, choice, watch).await
    }
}

/// A model's files, from either place.
#[derive(Clone)]
pub(super) enum Files {
    /// On the disk.
    Folder(Folder),
    /// Embedded in the program.
    Carried(Carried),
}

impl Source for Files {
    fn describe(&self, file: &str) -> String {
        match self {
            Files::Folder(folder) => folder.describe(file),
            Files::Carried(carried) => carried.describe(file),
        }
    }

    fn missing(&self, file: &str) -> Error {
        match self {
            Files::Folder(folder) => folder.missing(file),
            Files::Carried(carried) => carried.missing(file),
        }
    }

    async fn size(&self, file: &str) -> Result<Option<u64>> {
        match self {
            Files::Folder(folder) => folder.size(file).await,
            Files::Carried(carried) => carried.size(file).await,
        }
    }

    async fn read(&self, file: &str, range: Range<u64>) -> Result<Vec<u8>> {
        match self {
            Files::Folder(folder) => folder.read(file, range).await,
            Files::Carried(carried) => carried.read(file, range).await,
        }
    }

    async fn view(&self, file: &str, range: Range<u64>) -> Result<Bytes> {
        match self {
            Files::Folder(folder) => folder.view(file, range).await,
            Files::Carried(carried) => carried.view(file, range).await,
        }
    }

    fn size_at_hand(&self, file: &str) -> Result<Option<u64>> {
        match self {
            Files::Folder(folder) => folder.size_at_hand(file),
            Files::Carried(carried) => carried.size_at_hand(file),
        }
    }

    fn unchanged(&self) -> Result<()> {
        match self {
            Files::Folder(folder) => folder.unchanged(),
            Files::Carried(carried) => carried.unchanged(),
        }
    }
}

/// The named model, otherwise the environment's, otherwise `models/demo` here or in a parent,
/// otherwise the embedded model.
///
/// # Errors
/// Those of [`place_of`]; the message says who named it.
fn find(named: Option<PathBuf>, who_names: &str, stop: &StopFlag) -> anyhow::Result<Place> {
    let from_environment = std::env::var_os(VARIABLE)
        .filter(|value| !value.is_empty())
        .map(|value| paths::argument(value.into()));
    match (named, from_environment) {
        (Some(name), _) => place_of(&name, who_names, stop),
        (None, Some(name)) => place_of(&name, &format!("${VARIABLE}"), stop),
        (None, None) => Ok(default_folder().map_or(Place::Carried, Place::Folder)),
    }
}

/// The model that `who` names by a folder, a short name, or a repository, which is downloaded.
///
/// # Errors
/// [`Error::FileMissing`], [`Error::Checkpoint`] or [`Error::Option`] if that is no model; those of a download.
pub(super) fn place_of(name: &Path, who: &str, stop: &StopFlag) -> anyhow::Result<Place> {
    let place = || match hub::named(name)? {
        None => Ok(Place::Folder(folder_of(name)?)),
        Some(Named::Carried) => Ok(Place::Carried),
        Some(Named::Repository(repository)) => {
            let downloaded = hub::download(name, &repository, Weights::Safetensors, stop)?;
            let folder = downloaded.folder;
            anyhow::Ok(Place::Hub { repository, folder })
        }
    };
    place().with_context(|| who.to_string())
}

/// As [`find`], but a folder that can be served: the embedded model is written to the user's cache
/// folder.
///
/// # Errors
/// The errors of [`find`] and [`Carried::folder`].
pub(super) fn find_folder(named: Option<PathBuf>, stop: &StopFlag) -> anyhow::Result<PathBuf> {
    match find(named, "MODEL", stop)? {
        Place::Folder(folder) | Place::Hub { folder, .. } => Ok(folder),
        Place::Carried => Ok(Carried::folder()?),
    }
}

fn default_folder() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let mut folders = here.ancestors().map(|folder| folder.join(DEFAULT_FOLDER));
    folders.find(|folder| folder.is_dir())
}
