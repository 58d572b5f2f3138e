//! `inf-llava convert` and `inf-llava verify`: converts a checkpoint in the released layout to
//! shards that a browser can download and store, and verifies such a folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::hub::{self, Named};
use super::output::{counted, say_json};
use super::terminal::{Interrupt, Progress};
use super::{paths, say};
use inf_llava::config::{CONFIG_FILE, GENERATION_FILE};
use inf_llava::error::Error;
use inf_llava::files;
use inf_llava::hub::{Download, Weights};
use inf_llava::model::{read_checkpoint_config, read_config};
use inf_llava::printable::one_line;
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::text::prompt::PROMPT_FILES;
use inf_llava::weights::about::{About, BESIDE};
use inf_llava::weights::arrange::Precision;
use inf_llava::weights::convert::Conversion;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::manifest::SHARD_BYTES;
use inf_llava::weights::missing::folder_of;
use inf_llava::weights::pytorch;
use inf_llava::weights::verify::verify;

#[derive(Args)]
pub struct ConvertArgs {
    /// Model folder in the released layout, a name that `inf-llava models` lists, or a repository of the Hugging Face
    /// hub (owner/name, owner/name@revision, or its address)
    #[arg(value_name = "SRC", value_parser = paths::parser())]
    source: PathBuf,
    /// Folder to write; it must not be there yet
    #[arg(value_name = "DST", value_parser = paths::parser())]
    destination: PathBuf,
    /// q4 (decoder in 4 bits, the rest in 8), q8, f16 or f32
    #[arg(long, default_value = "q4", value_name = "KIND")]
    quant: String,
    /// What people call the model [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Folder or repository of the vision tower, where it lies beside the checkpoint
    #[arg(long, value_name = "DIR", value_parser = paths::parser())]
    vision_tower: Option<PathBuf>,
    /// Under which the weights may be used [default: what the model card says]
    #[arg(long, value_name = "LICENSE")]
    license: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub struct VerifyArgs {
    /// Converted model folder
    #[arg(value_name = "DST", value_parser = paths::parser())]
    folder: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub async fn run(args: ConvertArgs) -> anyhow::Result<ExitCode> {
    let precision = Precision::from_name(&args.quant)?;
    let interrupt = Interrupt::new()?;
    let source = Source::find(&args.source, &interrupt.stop)?;
    let folder = Folder::new(&source.folder);
    let (_, manifest) = read_config(&folder).await?;
    if manifest.is_some() {
        return Err(Error::Option {
            option: args.source.display().to_string(),
            reason: "it is a converted model; convert the checkpoint that it was made from".into(),
        }
        .into());
    }
    let mut about = about(&args, &source, &folder).await?;
    let mut checkpoint = pytorch::open(folder).await?;
    if let Some(tower) = &args.vision_tower {
        let tower = Folder::new(Source::find(tower, &interrupt.stop)?.folder);
        checkpoint = checkpoint.with_tower(pytorch::open(tower).await?);
    }
    // Some models differ in their tensors alone, and a checkpoint that torch.save wrote tells them only now.
    let folder = Folder::new(&source.folder);
    let config = read_checkpoint_config(&folder, Some(checkpoint.names())).await?;
    about.add_processors(&folder, &config).await?;
    let weights = config.weights();
    let destination = &args.destination;
    let conversion = Conversion::new(
        &checkpoint,
        &weights,
        precision,
        SHARD_BYTES,
        about,
        destination,
    )?;

    let progress = Progress::new();
    let mut watch = Watch::new(interrupt.stop.clone(), |event| progress.show(&event));
    let written = conversion.run(&mut watch);
    progress.clear();
    if let Err(Error::Stopped) = written {
        eprintln!("stopped; the same command goes on");
    }
    let manifest = written?;
    let (bytes, shards) = (manifest.shard_bytes(), manifest.shards.len());
    if args.json {
        say_json(&json!({"bytes": bytes, "shards": shards, "tensors": manifest.tensors.len()}));
    } else {
        say(format_args!(
            "{}: {:.1} MB in {}",
            destination.display(),
            bytes as f64 / 1e6,
            counted(shards, "shard")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The manifest's information about the checkpoint, and the files that are copied.
async fn about(args: &ConvertArgs, source: &Source, folder: &Folder) -> anyhow::Result<About> {
    let published = [CONFIG_FILE, GENERATION_FILE].into_iter().chain(BESIDE);
    for file in published.chain(PROMPT_FILES.map(|file| file.name)) {
        refuse_link_to_elsewhere(&source.folder, &source.folder.join(file))?;
    }
    let own = || {
        let path = args.source.canonicalize().ok()?;
        Some(path.file_name()?.to_string_lossy().into_owned())
    };
    let named = || args.source.display().to_string();
    let name = args.name.clone().or_else(own).unwrap_or_else(named);
    let (mut about, without_template) = About::read(folder, name, source.revision.clone()).await?;
    if let Some(error) = without_template {
        eprintln!(
            "{}; the converted model gets no chat template",
            one_line(&error.to_string())
        );
    }
    if let Some(license) = &args.license {
        about.license.clone_from(license);
    }
    Ok(about)
}

/// A converted model is given to others: what goes into it as it is must not be what a link in the checkpoint's folder
/// leads to, somewhere on this machine.
fn refuse_link_to_elsewhere(folder: &Path, path: &Path) -> Result<(), Error> {
    match files::belongs(folder, path) {
        Ok(true) => Ok(()),
        Err(e) if files::is_missing(&e) => Ok(()),
        found => Err(Error::FileAccess {
            file: path.display().to_string(),
            reason: match found {
                Err(e) => e.to_string(),
                Ok(_) => "it is a link that leads out of the folder, and would be published with the model; put a copy in its place, or remove it".into(),
            },
        }),
    }
}

/// The folder of a checkpoint.
struct Source {
    folder: PathBuf,
    revision: String,
}

impl Source {
    /// The folder at `path`; if it does not exist and has the form of a repository or a model's name, that
    /// repository, downloaded from the hub.
    fn find(path: &Path, stop: &StopFlag) -> anyhow::Result<Self> {
        let repository = match hub::named(path)? {
            Some(Named::Repository(repository)) => repository,
            Some(Named::Carried) => {
                return Err(Error::Option {
                    option: path.display().to_string(),
                    reason: "it is the model in the program, which is small as it is".into(),
                }
                .into());
            }
            None => {
                return Ok(Source {
                    folder: folder_of(path)?,
                    revision: "local".into(),
                });
            }
        };
        let downloaded = hub::download(path, &repository, Weights::OrPickled, stop)?;
        let Download { folder, revision } = downloaded;
        Ok(Source { folder, revision })
    }
}

pub async fn run_verify(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let interrupt = Interrupt::new()?;
    let progress = Progress::new();
    let mut watch = Watch::new(interrupt.stop.clone(), |event| progress.show(&event));
    let folder = folder_of(&args.folder)?;
    let verified = verify(&folder, &mut watch).await;
    progress.clear();
    let (manifest, damaged) = verified?;
    if args.json {
        let damaged: Vec<Value> = damaged
            .iter()
            .map(|damage| json!({"file": damage.file, "reason": damage.reason}))
            .collect();
        let files = manifest.files.len() + manifest.shards.len();
        say_json(&json!({"name": manifest.name, "files": files, "damaged": damaged}));
    } else {
        for damage in &damaged {
            say(format_args!("{}: {}", damage.file, damage.reason));
        }
        if damaged.is_empty() {
            say(format_args!("{} is whole", args.folder.display()));
        }
    }
    Ok(ExitCode::from(if damaged.is_empty() { 0 } else { 3 }))
}
