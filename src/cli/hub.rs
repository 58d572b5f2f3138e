//! A checkpoint from the Hugging Face hub, in the cache that Python's tools share (HF_HOME), by their token
//! (HF_TOKEN). A download that was cut off goes on.

use std::path::PathBuf;

use anyhow::{Context, bail};
use hf_hub::api::sync::ApiBuilder;

use super::convert::BESIDE;
use crate::config::{CONFIG_FILE, GENERATION_FILE};
use crate::weights::manifest::is_plain_name;

/// What else a checkpoint has.
const OWN: [&str; 4] = [
    CONFIG_FILE,
    GENERATION_FILE,
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
];

/// A repository, downloaded.
pub(super) struct Download {
    /// The folder of that revision.
    pub folder: PathBuf,
    /// Its commit.
    pub revision: String,
}

/// Whether `name` is put like a repository: `owner/name`.
pub(super) fn is_repository(name: &str) -> bool {
    let mut parts = name.split('/');
    let is_plain = |part: Option<&str>| part.is_some_and(is_plain_name);
    is_plain(parts.next()) && is_plain(parts.next()) && parts.next().is_none()
}

/// Downloads what of the repository `name` is not in the cache yet.
pub(super) fn download(name: &str) -> anyhow::Result<Download> {
    let token = std::env::var("HF_TOKEN")
        .ok()
        .filter(|token| !token.is_empty());
    let mut builder = ApiBuilder::from_env().with_progress(true).with_retries(5);
    if token.is_some() {
        builder = builder.with_token(token);
    }
    let repository = builder.build()?.model(name.to_string());
    let info = repository.info().with_context(|| {
        format!("{name}: the hub does not give it; is its name right, its licence accepted, HF_TOKEN set?")
    })?;
    let there: Vec<&str> = info
        .siblings
        .iter()
        .map(|file| file.rfilename.as_str())
        .collect();
    let weights = |is_weights: fn(&str) -> bool| -> Vec<&str> {
        let files = there.iter().copied();
        files
            .filter(|file| is_plain_name(file) && is_weights(file))
            .collect()
    };
    let mut files = weights(|file| file.ends_with(".safetensors"));
    if files.is_empty() {
        files = weights(|file| file.starts_with("pytorch_model") && file.ends_with(".bin"));
    }
    if files.is_empty() {
        bail!("{name} has neither *.safetensors nor pytorch_model*.bin");
    }
    let beside = OWN.iter().chain(&BESIDE).copied();
    files.extend(beside.filter(|file| there.contains(file)));
    let mut folder = PathBuf::new();
    for file in files {
        let path = repository.get(file).with_context(|| {
            format!("{name}/{file} could not be downloaded; the same command goes on")
        })?;
        folder = path.parent().map(PathBuf::from).unwrap_or_default();
    }
    Ok(Download {
        folder,
        revision: info.sha,
    })
}
