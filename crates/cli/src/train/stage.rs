//! Runs a stage from start to end: modules, task, training loop, folder.

use inf_llava::language::decoder::Decoder;
use inf_llava::vision::tower::Tower;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use burn::module::Module;
use burn::tensor::Device;

use super::checkpoint::{self, Companions, Progress, training_tensors, update, write_folder};
use super::conversation::{ConversationTask, Learner, Sight};
use super::data::{Data, Source};
use super::features::FeatureCache;
use super::file::{Kind, Stage, configure, flatten};
use super::init::{HostTensor, Weights, initial_weights};
use super::modules::{build, linear};
use super::run::{Observer, Report, Settings, State, run};
use super::tower::{TowerTask, TowerWithHeads, head_classes};
use super::words::Words;
use super::workers::Workers;
use crate::train::task::Task;
use inf_llava::config::TOKENIZER_FILE;
use inf_llava::config::{CONFIG_FILE, Config, Dual, GENERATION_FILE};
use inf_llava::dataset::{Limits, OnBadRecord, Skipped};
use inf_llava::durable::{self, Lock};
use inf_llava::error::{Error, Result};
use inf_llava::foreign;
use inf_llava::gpu::rope::Rope;
use inf_llava::progress::StopFlag;
use inf_llava::sequence::Media;
use inf_llava::spec::Weight;
use inf_llava::spec::plan::Coverage;
use inf_llava::text::{Tokenizer, stops};
use inf_llava::vision::dem::DemConnector;
use inf_llava::vision::dem::Prepared;
use inf_llava::weights::checkpoint::Checkpoint;
use inf_llava::weights::folder::Folder;
use inf_llava::weights::tensors::Tensors;

/// Name of the lock file of the results' folder.
const LOCK_FILE: &str = ".lock";

/// The state that the stages of a run share.
pub struct Project {
    /// The model's configuration.
    pub config: Config,
    /// Files that are copied into every folder.
    pub companions: Companions,
    /// The current weights.
    pub weights: Weights,
    /// Seed of initial values, scenes and order.
    pub seed: u64,
    /// The device that computes.
    pub device: Device,
    /// The worker threads.
    pub workers: Workers,
    /// Folder of the results, with one folder for each stage.
    pub out: PathBuf,
    /// Folder of the frozen tower's features; any run may share it.
    pub features: PathBuf,
    /// How unusable entries of a data set are handled.
    pub on_bad: OnBadRecord,
    /// Time between checkpoints.
    pub checkpoint_every: Duration,
    /// The lock on `out`, held from the first stage on.
    lock: Option<Lock>,
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// It was stopped, and a checkpoint was saved.
    Stopped,
}

impl Project {
    /// Starts from the weights in `model`, if there are any, with the configuration in
    /// `companions`; the other tensors get initial values by `seed`.
    ///
    /// # Errors
    /// Invalid files in the model folder.
    pub fn new(
        model: &Path,
        companions: Companions,
        seed: u64,
        out: &Path,
        device: Device,
        workers: Workers,
    ) -> Result<Self> {
        let config = config_of(model, &companions)?;
        let mut weights = initial_weights(&config, seed);
        begin_from(&mut weights, &config, model)?;
        Ok(Project {
            config,
            companions,
            weights,
            seed,
            device,
            workers,
            out: out.to_path_buf(),
            features: out.join("features"),
            on_bad: OnBadRecord::Skip,
            checkpoint_every: Duration::from_secs(180),
            lock: None,
        })
    }

    /// Starts from initial values even if the model folder has weights.
    pub fn begin_anew(&mut self) {
        self.weights = initial_weights(&self.config, self.seed);
    }

    /// The folder of a stage.
    pub fn folder(&self, stage: &Stage) -> PathBuf {
        self.out.join(&stage.name)
    }

    /// Locks the folder of the results until the project is dropped: two runs that write to it
    /// would mix their stages. [`Project::run`] does this too.
    ///
    /// # Errors
    /// [`Error::FolderInUse`] while another run holds the lock; [`Error::Output`].
    pub fn hold(&mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(lock_out(&self.out)?);
        }
        Ok(())
    }

    /// Runs a stage, or the rest of it; the project's weights are then those of the stage. A
    /// finished stage is only read.
    ///
    /// # Errors
    /// [`Error::Resume`] if its folder has a checkpoint with other settings; [`Error::FolderInUse`]
    /// while another run writes there; [`Error::Diverged`]; errors of the data and of the disk.
    pub fn run(
        &mut self,
        stage: &Stage,
        on_report: &mut dyn FnMut(&Report),
        on_note: &mut dyn FnMut(&str),
        stop: &StopFlag,
    ) -> Result<Ended> {
        self.hold()?;
        let of_all = (self.config.clone(), self.companions.clone());
        let ended = self
            .configure(stage)
            .and_then(|()| self.take_up(stage))
            .and_then(|()| self.run_configured(stage, on_report, on_note, stop));
        (self.config, self.companions) = of_all;
        ended
    }

    /// Loads all weights of the stage's checkpoint, if it has one, including those of frozen
    /// modules.
    fn take_up(&mut self, stage: &Stage) -> Result<()> {
        let folder = self.folder(stage);
        if checkpoint::exists(&folder) {
            checkpoint::check(&folder, &self.progress(stage))?;
            self.weights = checkpoint::read_weights(&folder)?;
        }
        Ok(())
    }

    /// Applies the stage's own keys of config.json, with initial values for tensors that only these
    /// settings require.
    fn configure(&mut self, stage: &Stage) -> Result<()> {
        let Some(json) = self.companions.get_mut(CONFIG_FILE) else {
            return Ok(());
        };
        *json = configure(json, &stage.inf_llava)?;
        self.config = config_of(&self.out, &self.companions)?;
        for (name, tensor) in initial_weights(&self.config, self.seed) {
            self.weights.entry(name).or_insert(tensor);
        }
        Ok(())
    }

    fn run_configured(
        &mut self,
        stage: &Stage,
        on_report: &mut dyn FnMut(&Report),
        on_note: &mut dyn FnMut(&str),
        stop: &StopFlag,
    ) -> Result<Ended> {
        match stage.kind {
            Kind::Tower => {
                let vision = self.config.require_vision("training")?;
                let task = TowerTask::new(vision, &self.device, self.seed, stage);
                let modules = |project: &Project| {
                    let vision = project.config.require_vision("training")?;
                    let tower = build(
                        &project.config,
                        &project.weights,
                        &project.device,
                        async |builder| Tower::load(&vision.tower, builder).await,
                    )?;
                    let classes = head_classes(&vision.tower);
                    let channels = vision.tower.hidden_size;
                    // Zeros, since random values would spoil a trained tower through their first
                    // gradients.
                    let zeros = |shape: &[usize]| HostTensor {
                        values: vec![0.0; shape.iter().product()],
                        shape: shape.to_vec(),
                    };
                    let (weight, bias) = (zeros(&[classes, channels]), zeros(&[classes]));
                    let heads = linear(&weight, &bias, &project.device);
                    Ok(TowerWithHeads { tower, heads })
                };
                self.run_task(stage, &task, modules, on_report, stop)
            }
            Kind::Language | Kind::Words | Kind::Naming | Kind::Alignment | Kind::Instruction => {
                let (task, skipped) = self.conversation(stage)?;
                if let Some(skipped) = skipped.filter(|s| !s.reasons.is_empty()) {
                    on_note(&skipped.to_string());
                }
                let learns = task.learns;
                let modules = move |project: &Project| project.learner(learns.0, learns.1);
                self.run_task(stage, &task, modules, on_report, stop)
            }
        }
    }

    /// Writes the current model, without the training state, to `folder`.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn finish(&self, folder: &Path) -> Result<()> {
        let weights = self
            .config
            .weights()
            .into_iter()
            .filter_map(|weight| self.weights.get_key_value(&weight.name))
            .map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect();
        write_folder(folder, &self.companions, &weights, None)
    }

    fn dual(&self) -> Result<Dual<'_>> {
        self.config.require_dual("training")
    }

    /// The requested modules, with the project's weights.
    fn learner(&self, connector: bool, decoder: bool) -> Result<Learner> {
        build(&self.config, &self.weights, &self.device, async |builder| {
            Ok(Learner {
                connector: match connector {
                    true => Some(DemConnector::load(self.dual()?.dem, builder).await?),
                    false => None,
                },
                decoder: match decoder {
                    true => Some(Decoder::load(&self.config.decoder, builder).await?),
                    false => None,
                },
            })
        })
    }

    fn conversation(&self, stage: &Stage) -> Result<(ConversationTask, Option<Skipped>)> {
        let config = &self.config;
        let vision = config.require_vision("training")?;
        let template = stage.template();
        let learns = match stage.kind {
            Kind::Language | Kind::Words => (false, true),
            Kind::Naming | Kind::Alignment => (true, false),
            _ => (true, true),
        };
        let json = self
            .companions
            .get(TOKENIZER_FILE)
            .ok_or_else(|| Error::FileMissing {
                file: TOKENIZER_FILE.into(),
            })?;
        let tokenizer =
            Tokenizer::from_bytes(TOKENIZER_FILE, json)?.with_rows(config.decoder.vocab_size);
        let tokens = config.decoder.max_position_embeddings;
        let limits = Limits {
            answer_tokens: tokens,
            conversation_tokens: tokens,
            picture: Media::only(vision.tower.tokens_per_view()),
        };
        let source = Source {
            seed: self.seed,
            template,
            bos: config.bos_token_id,
            limits,
            on_bad: self.on_bad,
        };
        let (data, skipped) = Data::open(stage, &tokenizer, source)?;
        let named = match stage.kind {
            Kind::Naming => Some(Words::new(&tokenizer)?),
            _ => None,
        };
        let sight = match stage.kind {
            Kind::Language => Sight::Blind,
            Kind::Words => Sight::Words(Box::new(Words::new(&tokenizer)?), stage.noise as f32),
            _ => {
                let prepared = Prepared::new(&self.dual()?, Coverage::Live, &self.device);
                let tower = build(config, &self.weights, &self.device, async |builder| {
                    Tower::load(&vision.tower, builder).await
                })?;
                let folder = self.features.clone();
                let cache = FeatureCache::open(
                    &self.dual()?,
                    tower,
                    prepared.plan.clone(),
                    &data.identity(),
                    &folder,
                    &self.device,
                )?;
                Sight::Features(Box::new((cache, prepared)))
            }
        };
        let task = ConversationTask {
            config: config.clone(),
            vision: vision.clone(),
            tokenizer,
            data,
            template,
            facts_share: stage.facts_share,
            sight,
            named,
            frozen: self.learner(!learns.0, !learns.1)?,
            learns,
            every_token: stage.every_token,
            units: stage.units,
            seed: self.seed,
            rope: Rope::new(tokens, &config.decoder, &self.device),
            device: self.device.clone(),
            order: Mutex::default(),
        };
        Ok((task, skipped))
    }

    fn run_task<T: Task>(
        &mut self,
        stage: &Stage,
        task: &T,
        modules: impl Fn(&Project) -> Result<T::Trained>,
        on_report: &mut dyn FnMut(&Report),
        stop: &StopFlag,
    ) -> Result<Ended> {
        let settings = Settings {
            schedule: stage.schedule(),
            weight_decay: stage.weight_decay,
            clip_norm: stage.clip_norm,
            checkpoint_every: self.checkpoint_every,
            report_every: (stage.steps / 200).clamp(1, 50),
        };
        let list = task.weights();
        let folder = self.folder(stage);
        let fresh = State::new(modules(self)?, &settings);
        let state = if checkpoint::exists(&folder) {
            checkpoint::restore(&folder, fresh, &list)?
        } else {
            fresh
        };
        let mut keeper = Keeper {
            companions: &self.companions,
            weights: &self.weights,
            list: &list,
            folder,
            progress: self.progress(stage),
            on_report,
        };
        let state = run(task, state, &settings, &self.workers, &mut keeper, stop)?;
        let finished = state.step >= stage.steps;
        update(&mut self.weights, &list, &state.trained);
        Ok(match finished {
            true => Ended::Finished,
            false => Ended::Stopped,
        })
    }

    /// The settings that affect a stage's numbers.
    fn progress(&self, stage: &Stage) -> Progress {
        let mut settings = BTreeMap::new();
        let stage_json = serde_json::to_value(stage).unwrap_or_default();
        flatten("stage", &stage_json, &mut settings);
        settings.insert("seed".into(), self.seed.to_string());
        settings.insert("workers".into(), self.workers.count().to_string());
        if let Some(json) = self.companions.get(CONFIG_FILE) {
            let json = foreign::json(json).unwrap_or_default();
            flatten("config.json", &json, &mut settings);
        }
        Progress {
            stage: stage.name.clone(),
            step: 0,
            settings,
        }
    }
}

/// Locks the folder to which a training run writes its results.
///
/// # Errors
/// [`Error::FolderInUse`] while another run writes there; [`Error::Output`].
pub fn lock_out(out: &Path) -> Result<Lock> {
    durable::lock(out, out.join(LOCK_FILE))
}

/// The configuration among the files of `folder`.
fn config_of(folder: &Path, companions: &Companions) -> Result<Config> {
    let json = companions.get(CONFIG_FILE);
    let json = json.ok_or_else(|| Error::FileMissing {
        file: folder.join(CONFIG_FILE).display().to_string(),
    })?;
    let generation = companions.get(GENERATION_FILE).map(Vec::as_slice);
    let mut config = Config::from_json(json, generation)?;
    if let Some(json) = companions
        .get(TOKENIZER_FILE)
        .filter(|_| !config.states_bos)
    {
        let tokenizer = Tokenizer::from_bytes(TOKENIZER_FILE, json)?;
        stops::complete(&mut config, &tokenizer, None)?;
    }
    Ok(config)
}

/// Loads the model folder's weights; tensors that it lacks (of a module it was trained without)
/// keep their initial values. A tensor with the wrong shape is an error.
fn begin_from(weights: &mut Weights, config: &Config, model: &Path) -> Result<()> {
    let mut files = Checkpoint::<Folder>::FILES.iter();
    if !files.any(|file| model.join(file).is_file()) {
        return Ok(());
    }
    let checkpoint = pollster::block_on(Checkpoint::open(Folder::new(model)))?;
    for Weight { name, shape, .. } in config.weights() {
        match pollster::block_on(checkpoint.read_f32(&name, &shape)) {
            Ok(values) => {
                weights.insert(name, HostTensor { values, shape });
            }
            Err(Error::TensorMissing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Forwards reports and writes checkpoints.
struct Keeper<'a> {
    companions: &'a Companions,
    weights: &'a Weights,
    list: &'a Vec<Weight>,
    folder: PathBuf,
    progress: Progress,
    on_report: &'a mut dyn FnMut(&Report),
}

impl<M: Module> Observer<M> for Keeper<'_> {
    fn report(&mut self, report: &Report) {
        (self.on_report)(report);
    }

    fn save(&mut self, state: &State<M>) -> Result<()> {
        let mut weights = self.weights.clone();
        update(&mut weights, self.list, &state.trained);
        let tensors = training_tensors(state, self.list, &weights);
        self.progress.step = state.step;
        let training = Some((&self.progress, &tensors));
        write_folder(&self.folder, self.companions, &weights, training)
    }
}
