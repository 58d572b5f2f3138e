//! Models by name: those of the table, and repositories of the Hugging Face hub, which are downloaded to the cache that
//! Python's tools share, with a progress bar. A large download is told of first, and asked about at a terminal.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stderr, stdin};
use std::path::Path;

use anyhow::Context as _;

use super::terminal::Progress;
use inf_llava::config::MODEL_FILES;
use inf_llava::error::{Error, Result};
use inf_llava::hub::{Download, Found, Hub, Repository, Weights, repository};
use inf_llava::known::{Known, told};
use inf_llava::progress::{StopFlag, Watch};
use inf_llava::weights::about::BESIDE;

/// A download of more bytes is told of, and asked about where somebody can answer.
const ASK_BYTES: u64 = 20_000_000;
/// Longest answer to that, in bytes.
const ANSWER_CAP: u64 = 64;

/// Where a checkpoint says which of its files has which tensor.
const INDICES: [&str; 2] = [
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// What the name of a model means where no file or folder has that name.
pub(super) enum Named {
    /// The model in the program.
    Carried,
    /// A repository of the hub.
    Repository(Repository),
}

/// Reads the name of a model: a short one of the table, owner/name with or without a revision, or an address. None if
/// it can only be a path, or is one that exists.
///
/// # Errors
/// [`Error::Option`] for an address that names no model.
pub(super) fn named(path: &Path) -> Result<Option<Named>> {
    if path.exists() {
        return Ok(None);
    }
    let text = path.to_string_lossy();
    if let Some(known) = Known::find(&text) {
        let repository = |id: &String| Repository::new(id, Some(&known.revision));
        let found = known.id.as_ref().map(repository).transpose()?;
        return Ok(Some(found.map_or(Named::Carried, Named::Repository)));
    }
    let endpoint = std::env::var("HF_ENDPOINT").ok();
    let found = repository(&text, endpoint.as_deref())?;
    Ok(found.map(Named::Repository))
}

/// Downloads the files of `repository` that are missing from the cache, for the name `path` of the command line.
///
/// # Errors
/// Those of [`Hub::download`]; [`Error::Stopped`] if the answer to the question is no.
pub(super) fn download(
    path: &Path,
    repository: &Repository,
    weights: Weights,
    stop: &StopFlag,
) -> anyhow::Result<Download> {
    let downloaded = try_download(repository, weights, stop);
    // A folder whose name was typed wrong has the form of a repository.
    let may_be_a_path = !path.to_string_lossy().contains(':');
    match downloaded {
        Err(error) if may_be_a_path && error != Error::Stopped => {
            let told = format!(
                "no folder is called {}, so the hub was asked",
                path.display()
            );
            Err(error).context(told)
        }
        other => Ok(other?),
    }
}

fn try_download(repository: &Repository, weights: Weights, stop: &StopFlag) -> Result<Download> {
    let hub = Hub::from_environment()?;
    let beside: Vec<&str> = INDICES
        .into_iter()
        .chain(MODEL_FILES)
        .chain(BESIDE)
        .collect();
    let found = hub.find(repository, weights, &beside, stop)?;
    if found.missing_bytes() > ASK_BYTES {
        agree(&hub, repository, &found)?;
        stop.check()?;
    }
    let progress = Progress::new();
    let mut watch = Watch::new(stop.clone(), |event| progress.show(&event));
    let downloaded = hub.fetch(&found, &mut watch);
    progress.clear();
    downloaded
}

/// Tells of a large download, and asks for consent if stdin is a terminal.
fn agree(hub: &Hub, repository: &Repository, found: &Found) -> Result<()> {
    let known = Known::find(repository.name()).map(|known| known.license.as_str());
    let license = known.or(found.license());
    eprintln!(
        "{repository}: {} to download, kept in {}; licence of the weights: {}",
        told(found.missing_bytes()),
        hub.cache().display(),
        license.unwrap_or("the hub names none, see the model's card")
    );
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Ok(());
    }
    eprint!("Download it? [y/N] ");
    let mut answer = String::new();
    let mut lines = stdin().lock().take(ANSWER_CAP);
    // Whoever cannot be asked has not agreed.
    let read = lines.read_line(&mut answer).is_ok();
    match read && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        true => Ok(()),
        false => Err(Error::Stopped),
    }
}
