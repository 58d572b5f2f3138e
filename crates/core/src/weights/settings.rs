//! The small files of a model, from any source: its configuration, and its chat template.

use std::collections::BTreeSet;

use super::checkpoint::tensor_names;
use super::converted::read_manifest;
use super::manifest::Manifest;
use super::source::{Source, read_file};
use crate::config::{
    CONFIG_FILE, Config, ConfigFiles, GENERATION_FILE, PREPROCESSOR_FILE, PROCESSOR_FILE,
};
use crate::error::{Error, Result};
use crate::text::prompt::{Found, PROMPT_FILES, read_prompt};

/// Configurations are a few kB.
pub const CONFIG_CAP: u64 = 1 << 20;

/// Reads and checks the configuration of a model folder: the one in the manifest of a converted model (the manifest
/// is returned too), otherwise its `config.json`, checking that the other files prepare pictures in the supported
/// way.
///
/// # Errors
/// [`Error::FileMissing`], [`Error::Config`], [`Error::Manifest`].
pub async fn read_config(source: &impl Source) -> Result<(Config, Option<Manifest>)> {
    let named = |error| located(source, error);
    if let Some(manifest) = read_manifest(source).await? {
        let generation = manifest.generation.to_string();
        let config = manifest.config.to_string();
        // Only what belongs to the model is read.
        let listed = async |file: &str| match manifest.files.iter().any(|own| own.file == file) {
            true => read_file(source, file, CONFIG_CAP).await,
            false => Ok(None),
        };
        let preprocessor = listed(PREPROCESSOR_FILE).await?;
        let processor = listed(PROCESSOR_FILE).await?;
        let config = Config::from_files(&ConfigFiles {
            config: config.as_bytes(),
            generation: Some(generation.as_bytes()),
            preprocessor: preprocessor.as_deref(),
            processor: processor.as_deref(),
            tensors: Some(&manifest.tensors.keys().cloned().collect()),
        });
        return Ok((config.map_err(named)?, Some(manifest)));
    }
    let config = read_checkpoint_config(source, None).await?;
    Ok((config, None))
}

/// As [`read_config`], of a checkpoint. `tensors`: the names of its tensors as in `spec`, where they are known; else
/// they are looked for where they may say more about the model.
///
/// # Errors
/// As [`read_config`].
pub async fn read_checkpoint_config(
    source: &impl Source,
    tensors: Option<BTreeSet<String>>,
) -> Result<Config> {
    let named = |error| located(source, error);
    let Some(config) = read_file(source, CONFIG_FILE, CONFIG_CAP).await? else {
        return Err(source.missing(CONFIG_FILE));
    };
    let generation = read_file(source, GENERATION_FILE, CONFIG_CAP).await?;
    let preprocessor = read_file(source, PREPROCESSOR_FILE, CONFIG_CAP).await?;
    let processor = read_file(source, PROCESSOR_FILE, CONFIG_CAP).await?;
    let files = ConfigFiles {
        config: &config,
        generation: generation.as_deref(),
        preprocessor: preprocessor.as_deref(),
        processor: processor.as_deref(),
        tensors: None,
    };
    let tensors = match tensors {
        None if files.tensors_tell() => tensor_names(source).await,
        known => Ok(known),
    };
    match tensors {
        Ok(Some(tensors)) => Config::from_files(&ConfigFiles {
            tensors: Some(&tensors),
            ..files
        }),
        // What is wrong with these files is told before what is wrong with the weights.
        Ok(None) => Config::from_files(&files),
        Err(error) => Config::from_files(&files).and(Err(error)),
    }
    .map_err(named)
}

/// The chat template among a model's files; most have one, INF-LLaVA's own is another ([`crate::text::prompt::PromptChoice::Own`]).
///
/// # Errors
/// [`Error::Config`] where the first file that may have one cannot be read.
pub async fn chat_template(source: &impl Source) -> Result<Option<Found>> {
    for file in PROMPT_FILES {
        let Some(bytes) = read_file(source, file.name, file.most_bytes).await? else {
            continue;
        };
        let found = read_prompt(file.name, &bytes).map_err(|error| located(source, error))?;
        if let Some(found) = found {
            let file = source.describe(file.name);
            return Ok(Some(Found { file, ..found }));
        }
    }
    Ok(None)
}

/// Adds the path or URL of the file to an error about a file of a model folder.
pub fn located(source: &impl Source, error: Error) -> Error {
    match error {
        Error::Config { file, reason } => Error::Config {
            file: source.describe(&file),
            reason,
        },
        other => other,
    }
}
