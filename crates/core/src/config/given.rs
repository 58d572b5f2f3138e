//! The files that a configuration is read from.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks::parse;
use super::file_names::{CONFIG_FILE, PREPROCESSOR_FILE, PROCESSOR_FILE};
use super::keys::Keys;
use crate::error::{Error, Result};
use crate::spec::HEAD;

/// The files of a model folder that say what the model is.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConfigFiles<'a> {
    /// `config.json`.
    pub config: &'a [u8],
    /// `generation_config.json`.
    pub generation: Option<&'a [u8]>,
    /// `preprocessor_config.json`.
    pub preprocessor: Option<&'a [u8]>,
    /// `processor_config.json`, which takes precedence where it has an `image_processor`.
    pub processor: Option<&'a [u8]>,
    /// Names of the checkpoint's tensors, spelled as in the original layout (`weights::spelling`). Some models differ
    /// in nothing else. Without it INF-LLaVA is assumed where several are possible, and an `lm_head` where
    /// config.json does not say that the head is tied.
    pub tensors: Option<&'a BTreeSet<String>>,
}

impl ConfigFiles<'_> {
    /// Whether the names of the tensors may say more about the model: not about one that this program has written.
    pub fn tensors_tell(&self) -> bool {
        let config: Result<Value> = parse(CONFIG_FILE, self.config);
        !config.is_ok_and(|config| config.get("inf_llava").is_some_and(Value::is_object))
    }

    /// Whether a tensor's name is `prefix` or begins with it and a dot; no if the names are not known.
    pub(super) fn has_tensors(&self, prefix: &str) -> bool {
        let is_below = |name: &String| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.tensors.is_some_and(|names| names.iter().any(is_below))
    }

    /// Whether the head is tied to the embeddings if config.json's answer is `stated`: a checkpoint without the head's
    /// matrix has no other.
    pub(super) fn is_tied(&self, stated: bool) -> bool {
        stated || self.tensors.is_some_and(|names| !names.contains(HEAD))
    }
}

/// The files of a model in several parts, read but for `generation_config.json`.
pub(super) struct Parsed {
    config: Value,
    preprocessor: Option<Value>,
    processor: Option<Value>,
}

impl Parsed {
    /// Reads `files`, with `config` for config.json, which has been read before.
    pub(super) fn of(files: &ConfigFiles<'_>, config: Value) -> Result<Self> {
        let read = |file: &str, json: Option<&[u8]>| json.map(|json| parse(file, json)).transpose();
        Ok(Parsed {
            config,
            preprocessor: read(PREPROCESSOR_FILE, files.preprocessor)?,
            processor: read(PROCESSOR_FILE, files.processor)?,
        })
    }

    /// config.json.
    pub(super) fn config(&self) -> Result<Keys<'_>> {
        Keys::of(CONFIG_FILE, &self.config)
    }

    /// processor_config.json.
    pub(super) fn processor(&self) -> Result<Option<Keys<'_>>> {
        let processor = self.processor.as_ref();
        let keys = processor.map(|value| Keys::of(PROCESSOR_FILE, value));
        keys.transpose()
    }

    /// The settings of pictures: in processor_config.json if it has any, else preprocessor_config.json.
    pub(super) fn pictures(&self) -> Result<Option<Keys<'_>>> {
        let inside = self.processor()?;
        let inside = inside.map(|keys| keys.within("image_processor"));
        if let Some(keys) = inside.transpose()?.flatten() {
            return Ok(Some(keys));
        }
        let own = self.preprocessor.as_ref();
        own.map(|value| Keys::of(PREPROCESSOR_FILE, value))
            .transpose()
    }

    /// As [`Parsed::pictures`]; of a file that is not there all keys are absent.
    pub(super) fn pictures_or_empty(&self) -> Result<Keys<'_>> {
        let keys = self.pictures()?;
        Ok(keys.unwrap_or_else(|| Keys::empty(PREPROCESSOR_FILE)))
    }

    /// As [`Parsed::pictures`], of a model that no one can tell without: its pictures would be prepared by a guess.
    pub(super) fn require_pictures(&self) -> Result<Keys<'_>> {
        self.pictures()?.ok_or_else(|| {
            let reason = format!(
                "it is missing, and {PROCESSOR_FILE} has no image_processor either; one of them says how pictures are prepared: copy it from where the checkpoint is from"
            );
            Error::config(PREPROCESSOR_FILE, reason)
        })
    }
}
