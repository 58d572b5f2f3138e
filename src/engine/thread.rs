//! The thread of a model: what it is asked, and what it says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use crate::error::{Error, Result};
use crate::generate::default_temperature;
use crate::gpu::device::{DeviceChoice, choose};
use crate::model::Model;
use crate::progress::{Event, StopFlag, Watch};
use crate::session::{Answer, PictureInfo, Request, Shared};
use crate::spec::Detail;
use crate::spec::plan::Coverage;
use crate::weights::folder::Folder;

/// The device of a model, and its context length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The device to run on.
    pub device: DeviceChoice,
    /// Tokens of context to reserve; by default 4096, or fewer if the model supports fewer.
    pub context_tokens: Option<usize>,
    /// Compute in f32 even where f16 is faster on the GPU.
    pub exact: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            device: DeviceChoice::Auto,
            context_tokens: None,
            exact: false,
        }
    }
}

/// Information about a loaded model.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The device's name for display.
    pub device: String,
    /// The maximum length of a conversation in tokens.
    pub context_tokens: usize,
    /// The default temperature of answers.
    pub temperature: f32,
}

/// A picture's file; the engine reads it again if its features have been evicted.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub key: String,
    pub name: String,
    pub bytes: Arc<[u8]>,
}

/// A job for the thread.
pub(super) enum Work {
    /// A picture, and whether it is its conversation's only one.
    Look(Picture, bool),
    /// A question, with the pictures of its conversation.
    Ask(Vec<Picture>, Box<Request>),
}

/// A job, its stop flag, and where its messages go.
pub(super) struct Job {
    pub work: Work,
    pub stop: StopFlag,
    pub said: mpsc::Sender<Said>,
}

/// Messages about a job: pieces, then one of the others.
pub(super) enum Said {
    Piece(String),
    Seen(PictureInfo),
    Done(Box<Answer>),
    Failed(Error),
}

/// The model to load, and how.
pub(super) struct What {
    pub folder: PathBuf,
    pub options: Options,
}

pub(super) fn broken(reason: String) -> Error {
    Error::Device {
        device: "the engine".into(),
        reason,
    }
}

pub(super) fn broken_down() -> Error {
    broken("it broke down; the next question loads the model again".into())
}

/// Loads the model for the first time, and reports the result to the waiting caller.
pub(super) fn begin(
    what: &What,
    mut watch: Watch<'_>,
    ready: &mpsc::Sender<Result<Loaded>>,
) -> Option<Shared> {
    match pollster::block_on(load(what, &mut watch)) {
        Ok(shared) => {
            let model = shared.model();
            let loaded = Loaded {
                device: model.device.name.clone(),
                context_tokens: model.context_tokens,
                temperature: default_temperature(model.config.scope),
            };
            ready.send(Ok(loaded)).ok().map(|()| shared)
        }
        Err(error) => {
            // If the caller is gone, nobody needs the error.
            let _ = ready.send(Err(error));
            None
        }
    }
}

async fn load(What { folder, options }: &What, watch: &mut Watch<'_>) -> Result<Shared> {
    let device = choose(options.device).await?;
    let source = Folder::new(folder);
    let model = Model::load(source, &device, options.context_tokens, watch).await?;
    if !options.exact {
        model.device.allow_half().await?;
    }
    Ok(Shared::new(model.into(), Coverage::Live))
}

pub(super) fn work(what: &What, shared: Shared, jobs: &mpsc::Receiver<Job>) {
    let mut engine = Some(shared);
    while let Ok(Job { work, stop, said }) = jobs.recv() {
        // A panic here comes from a driver or from burn; the model is then discarded.
        let done = catch_unwind(AssertUnwindSafe(|| {
            pollster::block_on(answer(what, &mut engine, work, stop, &said))
        }));
        let last = match done {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => {
                if !error.leaves_the_model_whole() {
                    engine = None;
                }
                Said::Failed(error)
            }
            Err(_) => {
                engine = None;
                Said::Failed(broken_down())
            }
        };
        // If the caller is gone, nobody needs the last message.
        let _ = said.send(last);
    }
}

async fn answer(
    what: &What,
    engine: &mut Option<Shared>,
    work: Work,
    stop: StopFlag,
    said: &mpsc::Sender<Said>,
) -> Result<Said> {
    stop.check()?;
    let unheard = stop.clone();
    let mut watch = Watch::new(stop, |event| {
        if let Event::Piece { text, .. } = event
            && !text.is_empty()
            && said.send(Said::Piece(text)).is_err()
        {
            unheard.stop();
        }
    });
    let shared = match engine {
        Some(shared) => shared,
        None => engine.insert(load(what, &mut watch).await?),
    };
    let (pictures, is_only, request) = match work {
        Work::Look(picture, is_only) => (vec![picture], is_only, None),
        Work::Ask(pictures, request) => (pictures.clone(), pictures.len() == 1, Some(request)),
    };
    let mut info = None;
    for Picture { key, name, bytes } in pictures {
        let read = shared.read_picture(&key, &name, &bytes, is_only, Detail::Auto, &mut watch);
        info = Some(read.await?);
    }
    match (request, info) {
        (Some(request), _) => {
            let answer = shared.reply(&request, &mut watch).await?;
            Ok(Said::Done(Box::new(answer)))
        }
        (None, Some(info)) => Ok(Said::Seen(info)),
        (None, None) => Err(Error::EmptyQuestion),
    }
}
