//! The training file: what is trained, on what, for how long.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::optimizer::Schedule;
use crate::config::CONFIG_FILE;
use crate::dataset::Template;
use crate::error::{Error, Result};
use crate::scenes::Family;
use crate::{files, foreign};

/// A training file has a few kB.
const TOML_CAP: u64 = 1 << 20;

/// A training file, as TOML.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainFile {
    /// Decides the first weights, the scenes, and the order of everything.
    pub seed: u64,
    /// A model folder beside this file. With weights they are where training begins, else the first
    /// stage begins from random ones.
    pub model: PathBuf,
    /// Begin from random weights even so.
    #[serde(default)]
    pub fresh: bool,
    /// In order; each begins where the one before ended.
    pub stage: Vec<Stage>,
}

/// Which modules a stage trains, and on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The vision tower, on crops with a target for every token.
    Tower,
    /// The decoder, on the conversations without their pictures: what words alone give away.
    Language,
    /// The decoder, on conversations about scenes in words ([`super::words`]).
    Words,
    /// Enhancement and projector, on what [`super::words`] says of the same scene: they learn to speak
    /// the words that the decoder knows.
    Naming,
    /// Enhancement and projector, on captions (`plain` template): the paper's first stage.
    Alignment,
    /// Enhancement, projector and decoder, on conversations (`llama3` template): the second.
    Instruction,
}

/// How a conversation is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TemplateName {
    /// Picture, caption, newline.
    Plain,
    /// The release's chat.
    Llama3,
    /// A line a question, without the manner of asking and answering.
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
    /// Updates.
    pub steps: u64,
    /// Units of a step: batches of crops, or conversations.
    pub units: usize,
    /// The highest.
    pub learning_rate: f64,
    /// Share of the steps over which the rate rises.
    #[serde(default = "three_percent")]
    pub warm_up: f64,
    /// Share of the highest rate that is left at the end.
    #[serde(default)]
    pub final_share: f64,
    /// AdamW's; the paper has none.
    #[serde(default)]
    pub weight_decay: f32,
    /// Longest gradient.
    #[serde(default = "one")]
    pub clip_norm: f32,
    /// How conversations are put, where it is not the kind's own way.
    pub template: Option<TemplateName>,
    /// Share of the conversations about scenes that are put as facts instead, with twice as many
    /// questions: they take as long.
    #[serde(default)]
    pub facts_share: f64,
    /// How unclear signs and counts are in a scene that is put in words: the squares of the noise over
    /// the words'. No picture spells as clearly as words do.
    #[serde(default)]
    pub noise: f64,
    /// Learn to predict every token, as language models do before they are taught to answer, and not
    /// the answers alone.
    #[serde(default)]
    pub every_token: bool,
    /// Crowded scenes of a unit, for the tower.
    #[serde(default = "two")]
    pub scenes_per_unit: usize,
    /// The first scene's number, for the tower: a second stage sees other scenes than the first.
    #[serde(default)]
    pub first_scene: u64,
    /// Scenes that are talked about; their features are kept.
    #[serde(default)]
    pub pictures: u64,
    /// Questions of a conversation; twice as many where they are put as facts.
    #[serde(default = "eight")]
    pub questions: usize,
    /// Only questions of these families; all if there are none.
    #[serde(default)]
    pub families: Vec<String>,
    /// Half of the questions are of these families, as far as a scene has as many; as it comes if
    /// there are none.
    #[serde(default)]
    pub often: Vec<String>,
    /// No questions with these words in their brief form: a first lesson of comparisons has one
    /// direction only, so that what is compared tells something before it is known which way round.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Share of the conversations in whole sentences in which the picture is also described; one in eight by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptions: Option<f64>,
    /// Entries of config.json's `inf_llava` block that are otherwise during this stage.
    #[serde(default)]
    pub inf_llava: BTreeMap<String, serde_json::Value>,
    /// A LLaVA-format JSON instead of scenes.
    pub data: Option<PathBuf>,
    /// The folder of its pictures.
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
    /// Reads and checks a training file; paths in it become relative to its folder.
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

/// A TOML file.
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
        // The error's own text draws the place over several lines.
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
        Error::config(file, format!("line {line}: {}", error.message()))
    })
}

/// `path`, which stands in the file `file`: relative to its folder.
pub(super) fn beside(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new(".")).join(path)
}

impl Stage {
    /// The rates.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            learning_rate: self.learning_rate,
            steps: self.steps,
            warm_up: self.warm_up,
            final_share: self.final_share,
        }
    }

    /// Captions for the paper's first stage, conversations for the others, unless it says otherwise.
    pub fn template(&self) -> Template {
        match (self.template, self.kind) {
            (Some(TemplateName::Plain), _) | (None, Kind::Alignment) => Template::Plain,
            (Some(TemplateName::Facts), _) => Template::Facts,
            _ => Template::Llama3,
        }
    }

    /// Checks a stage of the file `file`, and makes its paths relative to that file's folder.
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

    /// What is wrong with it, in words.
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

/// The text of a config.json with other `entries` in its `inf_llava` block.
///
/// # Errors
/// [`Error::Config`] if it is no JSON.
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
