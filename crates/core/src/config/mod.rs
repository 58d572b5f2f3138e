//! Reads `config.json` and its companions: which model it is, and its sizes.
//!
//! In: the text of the files, untrusted. Out: [`Config`], every number of which has been checked
//! against a cap, so that products of them do not overflow. This module does not know of tensors.

mod checks;
mod connector;
mod decoder;
mod file;
mod file_names;
mod fit;
mod given;
mod ids;
mod inf_llava;
mod keys;
mod kind;
mod layouts;
mod llava;
mod mm;
mod model;
mod original;
mod pictures;
mod pinpoints;
mod processor;
mod prompts;
mod rope;
mod scope;
mod smolvlm;
mod text;
mod text_config;
mod tower;
mod videos;
mod vision;
mod vlsa;

use serde_json::Value;

use crate::error::Result;
use checks::parse;
use given::Parsed;
use kind::Kind;

pub use file_names::{
    CHAT_TEMPLATE_FILE, CHAT_TEMPLATE_JSON_FILE, CONFIG_FILE, GENERATION_FILE, MODEL_FILES,
    PREPROCESSOR_FILE, PROCESSOR_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
pub use given::ConfigFiles;
pub use model::{Config, Conversation, OwnPrompt};
pub use scope::{Remark, RemarkCode, Scope, question, wording};
pub use vision::{Dual, Pixels, Treatment, Vision};

impl Config {
    /// Reads `config.json` and, where there is one, `generation_config.json`: of a model that these describe alone.
    ///
    /// # Errors
    /// As [`Config::from_files`].
    pub fn from_json(config: &[u8], generation: Option<&[u8]>) -> Result<Self> {
        Config::from_files(&ConfigFiles {
            config,
            generation,
            ..ConfigFiles::default()
        })
    }

    /// Reads the files of a model folder. `model_type` and, where that does not tell, the names of the tensors say
    /// which model it is.
    ///
    /// # Errors
    /// [`crate::Error::Config`] naming the file, and the key that is missing, out of range or not supported; or the
    /// kind of model, if none of that kind is run.
    pub fn from_files(files: &ConfigFiles<'_>) -> Result<Self> {
        let config: Value = parse(CONFIG_FILE, files.config)?;
        match kind::of(&config, files)? {
            Kind::InfLlava => inf_llava::read(files),
            Kind::Smolvlm => smolvlm::read(files, &Parsed::of(files, config)?),
            Kind::Llava(llava) => llava::read(files, &Parsed::of(files, config)?, llava),
            Kind::Original => original::read(files, &Parsed::of(files, config)?),
            Kind::Vlsa => vlsa::read(files, &Parsed::of(files, config)?),
            Kind::Text => text::read(files, &Parsed::of(files, config)?),
        }
    }
}
