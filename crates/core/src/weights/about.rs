//! What a converted model's manifest says besides its tensors, collected from a checkpoint wherever it lies.

use serde_json::{Value, json};

use super::arrange::Arrangement;
use super::manifest::{FORMAT, HashedFile, Manifest, VERSION};
use super::settings::{CONFIG_CAP, chat_template};
use super::source::{Source, read_file, require_file};
use crate::config::{
    CONFIG_FILE, Config, GENERATION_FILE, PREPROCESSOR_FILE, PROCESSOR_FILE, TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
};
use crate::error::{Error, Result};
use crate::foreign;

/// The model card.
pub const CARD_FILE: &str = "README.md";
/// Files that a converted model takes over as they are, if they exist.
pub const BESIDE: [&str; 7] = [
    TOKENIZER_FILE,
    TOKENIZER_CONFIG_FILE,
    PREPROCESSOR_FILE,
    "LICENSE",
    "LICENSE.txt",
    "USE_POLICY.md",
    CARD_FILE,
];
/// The licence of a model whose card names none.
const UNKNOWN: &str = "unknown";

/// The manifest's contents besides the tensors.
#[derive(Debug, Clone)]
pub struct About {
    /// The model's display name.
    pub name: String,
    /// The checkpoint's revision.
    pub revision: String,
    /// The licence of the weights.
    pub license: String,
    /// The contents of config.json.
    pub config: Value,
    /// The contents of generation_config.json.
    pub generation: Value,
    /// Files of the checkpoint's folder that are copied, and listed in the manifest: tokenizer, licence, model card.
    pub files: Vec<String>,
    /// The chat template, wherever it was: written as chat_template.jinja, and named in the manifest.
    pub chat_template: Option<String>,
}

impl About {
    /// Reads what the files of the checkpoint say about it. The name and the revision are for people. Also returns why there is no chat template, if one could not be read: the released prompt needs none.
    ///
    /// # Errors
    /// [`Error::FileMissing`] without a config.json; [`Error::Config`]; the source's errors.
    pub async fn read(
        source: &impl Source,
        name: String,
        revision: String,
    ) -> Result<(Self, Option<Error>)> {
        let parse = |file: &str, json: &[u8]| -> Result<Value> {
            foreign::json(json).map_err(|reason| Error::config(source.describe(file), reason))
        };
        let config = require_file(source, CONFIG_FILE, CONFIG_CAP).await?;
        let config = parse(CONFIG_FILE, &config)?;
        let generation = match read_file(source, GENERATION_FILE, CONFIG_CAP).await? {
            Some(json) => parse(GENERATION_FILE, &json)?,
            None => json!({}),
        };
        let card = read_file(source, CARD_FILE, CONFIG_CAP).await?;
        let license = card.and_then(|card| licence_of(&String::from_utf8_lossy(&card)));
        let mut files = Vec::new();
        for file in BESIDE {
            if source.size(file).await?.is_some() {
                files.push(file.to_string());
            }
        }
        let (chat_template, unread) = match chat_template(source).await {
            Ok(found) => (found.map(|found| found.text), None),
            Err(error) => (None, Some(error)),
        };
        let about = About {
            name,
            revision,
            license: license.unwrap_or_else(|| UNKNOWN.into()),
            config,
            generation,
            files,
            chat_template,
        };
        Ok((about, unread))
    }

    /// Adds the files that say how pictures are prepared, if the model reads them: all but INF-LLaVA do.
    ///
    /// # Errors
    /// The source's errors.
    pub async fn add_processors(&mut self, source: &impl Source, config: &Config) -> Result<()> {
        if config.dual().is_some() || config.vision.is_none() {
            return Ok(());
        }
        for file in [PREPROCESSOR_FILE, PROCESSOR_FILE] {
            let is_listed = self.files.iter().any(|listed| listed == file);
            if !is_listed && source.size(file).await?.is_some() {
                self.files.push(file.to_string());
            }
        }
        Ok(())
    }

    /// The manifest of the model whose `files` and `shards` were written.
    pub fn manifest(
        &self,
        files: Vec<HashedFile>,
        shards: Vec<HashedFile>,
        arrangement: &Arrangement,
    ) -> Manifest {
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            name: self.name.clone(),
            revision: self.revision.clone(),
            license: self.license.clone(),
            config: self.config.clone(),
            generation: self.generation.clone(),
            prompt: "llama3".into(),
            files,
            shards,
            tensors: arrangement.tensors.clone(),
        }
    }
}

/// The licence in the front matter of a model card (`--- license: llama3 ---`).
fn licence_of(card: &str) -> Option<String> {
    let card = card.trim_start_matches('\u{feff}');
    let (head, _) = card.strip_prefix("---")?.split_once("\n---")?;
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("license:"))?;
    Some(line.trim().trim_matches(['"', '\'']).to_string())
}
