//! The training file: the model, the stages, their data and their numbers of steps.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::optimizer::Schedule;
use crate::scenes::Family;
use inf_llava::config::CONFIG_FILE;
use inf_llava::dataset::Template;
use inf_llava::error::{Error, Result};
use inf_llava::{files, foreign};

/// Size limit in bytes; training files have a few kB.
const TOML_CAP: u64 = 1 << 20;

/// A training file, as TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainFile {
    /// Seed of the initial weights, the scenes and every order.
    pub seed: u64,
    /// A model folder, relative to this file. Training starts from its weights if it has any,
    /// otherwise from random ones.
    pub model: PathBuf,
    /// Start from random weights even if the model folder has weights.
    #[serde(default)]
    pub fresh: bool,
    /// The stages, in order; each starts from the weights of the one before.
    pub stage: Vec<Stage>,
}

/// Which modules a stage trains, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The vision tower, on crops with a target for every token.
    Tower,
    /// The decoder, on the conversations without their pictures: measures what the text alone
    /// reveals.
    Language,
    /// The decoder, on conversations in which word embeddings stand in for the picture
    /// ([`super::words`]).
    Words,
    /// Enhancement and projector, trained to output the word embeddings that [`super::words`] gives
    /// for the same scene, which the decoder already understands.
    Naming,
    /// Enhancement and projector, on captions (`plain` template): the paper's first stage.
    Alignment,
    /// Enhancement, projector and decoder, on conversations (`llama3` template): the second.
    Instruction,
}

/// How a conversation is formatted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateName {
    /// Picture, caption, newline.
    Plain,
    /// The chat template of the released model.
    Llama3,
    /// One line for each question, in its brief form.
    Facts,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Also the name of its folder.
    pub name: String,
    /// What it trains.
    pub kind: Kind,
    /// Optimizer steps.
    pub steps: u64,
    /// Units per step: batches of crops, or conversations.
    pub units: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Share of the steps over which the learning rate rises.
    #[serde(default = "three_percent")]
    pub warm_up: f64,
    /// Share of the highest learning rate that is left at the end.
    #[serde(default)]
    pub final_share: f64,
    /// Weight decay of AdamW; the paper gives none.
    #[serde(default)]
    pub weight_decay: f32,
    /// The largest norm of a step's gradient; larger gradients are scaled down to it.
    #[serde(default = "one")]
    pub clip_norm: f32,
    /// The template of the conversations, if not the kind's default.
    pub template: Option<TemplateName>,
    /// Share of the conversations about scenes that use the facts template instead. They have twice
    /// as many questions, so that they take as long.
    #[serde(default)]
    pub facts_share: f64,
    /// Noise on signs and counts where word embeddings stand in for a scene, as the ratio of its
    /// mean square to that of the embeddings. Real visual tokens are never as clear as the
    /// embeddings.
    #[serde(default)]
    pub noise: f64,
    /// Whether every token is a target, as in a language model's pre-training, or only the answers.
    #[serde(default)]
    pub every_token: bool,
    /// Dense scenes in a unit, for the tower.
    #[serde(default = "two")]
    pub scenes_per_unit: usize,
    /// Number of the first scene, for the tower, so that a second stage can use other scenes than
    /// the first.
    #[serde(default)]
    pub first_scene: u64,
    /// Number of scenes for conversations; their features are stored.
    #[serde(default)]
    pub pictures: u64,
    /// Questions in each conversation; doubled with the facts template.
    #[serde(default = "eight")]
    pub questions: usize,
    /// Only questions of these families; all families if empty.
    #[serde(default)]
    pub families: Vec<String>,
    /// Half of the questions are of these families, as far as a scene has enough of them; no
    /// preference if empty.
    #[serde(default)]
    pub often: Vec<String>,
    /// No questions whose brief form contains one of these. For example, a first stage on
    /// comparisons asks about one direction only, so that what is compared can be learned before
    /// the direction matters.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Share of the chat conversations that also include a description of the picture; one in eight
    /// by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptions: Option<f64>,
    /// Keys of config.json's `inf_llava` block that this stage overrides.
    #[serde(default)]
    pub inf_llava: BTreeMap<String, serde_json::Value>,
    /// A LLaVA-format JSON file to use instead of scenes.
    pub data: Option<PathBuf>,
    /// The folder of that file's pictures.
    pub images: Option<PathBuf>,
}

fn three_percent() -> f64 {
    0.03
}

fn one() -> f32 {
    1.0
}

fn two() -> usize {
    2
}

fn eight() -> usize {
    8
}

impl TrainFile {
    /// Reads and checks a training file; its relative paths are resolved against its folder.
    ///
    /// # Errors
    /// [`Error::FileAccess`], [`Error::Config`].
    pub fn read(path: &Path) -> Result<Self> {
        let mut file: TrainFile = read_toml(path)?;
        file.model = beside(path, &file.model);
        file.stage
            .iter_mut()
            .try_for_each(|stage| stage.settle(path))?;
        Ok(file)
    }
}

/// Reads a TOML file.
///
/// # Errors
/// [`Error::FileAccess`], [`Error::Config`].
pub(super) fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let file = path.display().to_string();
    let bytes = files::read(path, TOML_CAP).map_err(|error| Error::FileAccess {
        file: file.clone(),
        reason: error.to_string(),
    })?;
    let text = foreign::text(&bytes).and_then(|text| {
        std::str::from_utf8(text).map_err(|error| format!("it is no text in UTF-8: {error}"))
    });
    let text = text.map_err(|reason| Error::config(&file, reason))?;
    toml::from_str(text).map_err(|error| {
        // The error's own text spans several lines to show the place, so the line number is
        // computed.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
        Error::config(file, format!("line {line}: {}", error.message()))
    })
}

/// Resolves `path`, as given in the file `file`, against that file's folder.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).join(path)
}

impl Stage {
    /// The schedule of the learning rate.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            learning_rate: self.learning_rate,
            steps: self.steps,
            warm_up: self.warm_up,
            final_share: self.final_share,
        }
    }

    /// The stage's template: captions for the paper's first stage, chat for the others, unless the
    /// stage sets one.
    pub fn template(&self) -> Template {
        match (self.template, self.kind) {
            (Some(TemplateName::Plain), _) | (None, Kind::Alignment) => Template::Plain,
            (Some(TemplateName::Facts), _) => Template::Facts,
            _ => Template::Llama3,
        }
    }

    /// Checks a stage of the file `file`, and resolves its paths against that file's folder.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub(super) fn settle(&mut self, file: &Path) -> Result<()> {
        self.check()
            .map_err(|reason| Error::config(file.display(), reason))?;
        for path in [&mut self.data, &mut self.images].into_iter().flatten() {
            *path = beside(file, path);
        }
        Ok(())
    }

    /// Checks the stage's values; the error describes the first invalid one.
    fn check(&self) -> Result<(), String> {
        let bad = |what: &str| Err(format!("stage {}: {what}", self.name));
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return bad("name must be letters, digits, - and _, since a folder is called so");
        }
        if self.steps == 0 || self.units == 0 || self.scenes_per_unit == 0 || self.questions == 0 {
            return bad("steps, units, scenes_per_unit and questions must be at least 1");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return bad("learning_rate must be above 0");
        }
        let shares = [self.warm_up, self.final_share, self.facts_share, self.noise];
        let mut shares = shares.into_iter().chain(self.descriptions);
        if !shares.all(|share| (0.0..=1.0).contains(&share)) {
            return bad(
                "warm_up, final_share, facts_share, noise and descriptions are shares, 0 to 1",
            );
        }
        let positive = |x: f32| x > 0.0 && x.is_finite();
        if !positive(self.clip_norm) || !(self.weight_decay == 0.0 || positive(self.weight_decay)) {
            return bad("clip_norm must be above 0 and weight_decay at least 0");
        }
        let known = |name: &&String| Family::ALL.iter().any(|family| family.name() == **name);
        let mut named = self.families.iter().chain(&self.often);
        if let Some(family) = named.find(|name| !known(name)) {
            let all = Family::ALL.map(Family::name).join(", ");
            return bad(&format!(
                "there is no family {family} of questions, but {all}"
            ));
        }
        if self.data.is_some() != self.images.is_some() {
            return bad("data and images belong together: a JSON file and its folder of pictures");
        }
        if matches!(self.kind, Kind::Words | Kind::Naming) && self.data.is_some() {
            return bad("only scenes can be put in words; leave data and images out");
        }
        if self.facts_share > 0.0 && self.data.is_some() {
            return bad("only scenes can be put as facts; leave facts_share out");
        }
        if self.kind != Kind::Tower && self.data.is_none() && self.pictures == 0 {
            return bad("pictures must say how many scenes there are");
        }
        Ok(())
    }
}

/// The text of a config.json with `entries` set in its `inf_llava` block.
///
/// # Errors
/// [`Error::Config`] if `config` is not valid JSON.
pub fn configure(config: &[u8], entries: &BTreeMap<String, serde_json::Value>) -> Result<Vec<u8>> {
    let bad = |reason: String| Error::config(CONFIG_FILE, reason);
    let mut json: serde_json::Value = foreign::json(config).map_err(bad)?;
    let block = &mut json["inf_llava"];
    if !block.is_object() {
        *block = serde_json::json!({});
    }
    for (name, value) in entries {
        block[name] = value.clone();
    }
    serde_json::to_vec_pretty(&json).map_err(|error| bad(error.to_string()))
}

/// Flattens a JSON value: `{"a": {"b": 1}}` -> `a.b = 1`.
pub fn flatten(prefix: &str, value: &serde_json::Value, into: &mut BTreeMap<String, String>) {
    match value {
        serde_json::Value::Object(entries) => {
            for (key, value) in entries {
                flatten(&format!("{prefix}.{key}"), value, into);
            }
        }
        other => {
            into.insert(prefix.to_string(), other.to_string());
        }
    }
}
