//! A model on a thread of its own, which programs ask from any of theirs.
//!
//! In: pictures and questions. Out: answers, whole or piece by piece. What computes cannot leave its thread, so only
//! messages do: [`Engine`] and [`Conversation`] are handles. It must not know how an answer is shown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};
use crate::generate::default_temperature;
use crate::gpu::device::{DeviceChoice, choose};
use crate::model::Model;
use crate::progress::{Event, StopFlag, Watch};
use crate::session::{Answer, AskOptions, Exchange, PictureInfo, Request, Shared};
use crate::spec::plan::Coverage;
use crate::weights::folder::Folder;

/// As the first thread of a program has it.
const STACK_BYTES: usize = 8 << 20;

/// Where a model runs, and for how long a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where it runs.
    pub device: DeviceChoice,
    /// Tokens of context to make room for; 4096, or less if the model knows fewer, where none are named.
    pub context_tokens: Option<usize>,
    /// Compute in f32 throughout, also where the GPU has f16 and is quicker with it.
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

/// What is known of a loaded model.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The device, as it is shown to people.
    pub device: String,
    /// Tokens that a conversation may have.
    pub context_tokens: usize,
    /// Of answers, where none is stated.
    pub temperature: f32,
}

/// A handle to a model on its thread. Handles are cheap to clone and may go to other threads. One question is answered at
/// a time, in the order in which they come. When the last handle and conversation are dropped the thread ends, and
/// with it goes the model's memory.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// None once it is being dropped, which ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    loaded: Loaded,
    pictures: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // What panicked there was told to whoever asked.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// Loads the model in the folder `model` onto the best device, and waits for it.
    ///
    /// # Errors
    /// Whatever is missing, broken or too large, as [`Model::load`]; [`Error::Device`].
    pub fn open(model: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(model, Options::default())
    }

    /// As [`Engine::open`], as `options` say.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(model: impl Into<PathBuf>, options: Options) -> Result<Self> {
        Self::open_watched(model, options, StopFlag::default(), |_| {})
    }

    /// As [`Engine::open_with`]; how far it is goes to `on_event`, on the engine's thread, and `stop` ends it.
    ///
    /// # Errors
    /// As [`Engine::open`]; [`Error::Stopped`].
    pub fn open_watched(
        model: impl Into<PathBuf>,
        options: Options,
        stop: StopFlag,
        on_event: impl FnMut(Event) + Send + 'static,
    ) -> Result<Self> {
        let what = What {
            folder: model.into(),
            options,
        };
        let (jobs, to_do) = mpsc::channel();
        let (ready, is_ready) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("inf-llava".into())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let watch = Watch::new(stop, on_event);
                if let Some(shared) = begin(&what, watch, &ready) {
                    drop(ready);
                    work(&what, shared, &to_do);
                }
            });
        let thread = thread.map_err(|error| broken(format!("no thread can be had: {error}")))?;
        // A thread that panicked while it loaded says nothing.
        let loaded = is_ready.recv().unwrap_or_else(|_| Err(broken_down()))?;
        Ok(Engine(Arc::new(Inner {
            jobs: Some(jobs),
            thread: Some(thread),
            loaded,
            pictures: AtomicU64::new(0),
        })))
    }

    /// What is known of the model.
    pub fn loaded(&self) -> &Loaded {
        &self.0.loaded
    }

    /// A conversation about no picture yet. There may be many; each keeps its own words, and they share the model.
    pub fn conversation(&self) -> Conversation {
        let mut options = AskOptions::default();
        options.sampling.temperature = self.0.loaded.temperature;
        Conversation {
            engine: self.clone(),
            options,
            picture: None,
            exchanges: Vec::new(),
            stop: StopFlag::default(),
        }
    }

    /// Hands work to the thread; what is said of it can be heard at the other end.
    fn hand(&self, work: Work, stop: StopFlag) -> Result<mpsc::Receiver<Said>> {
        let (said, heard) = mpsc::channel();
        let jobs = self.0.jobs.as_ref().ok_or_else(broken_down)?;
        jobs.send(Job { work, stop, said })
            .map_err(|_| broken_down())?;
        Ok(heard)
    }
}

/// A conversation about a picture, or about none. It may go to other threads.
#[derive(Debug)]
pub struct Conversation {
    engine: Engine,
    /// How it is answered.
    pub options: AskOptions,
    picture: Option<Picture>,
    exchanges: Vec<Exchange>,
    /// Of the next question, or of the one that is being answered.
    stop: StopFlag,
}

impl Conversation {
    /// Reads a picture's file, of which `bytes` are the content and `name` is what errors call it, and begins anew. If this
    /// fails the earlier picture and conversation stay.
    ///
    /// # Errors
    /// As [`crate::image::decode`]; [`Error::Stopped`]; [`Error::Device`] and what else the model fails with.
    pub fn look(&mut self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<PictureInfo> {
        let number = self.engine.0.pictures.fetch_add(1, Ordering::Relaxed);
        let picture = Picture {
            key: format!("picture {number}"),
            name: name.to_string(),
            bytes: bytes.into(),
        };
        let stop = std::mem::take(&mut self.stop);
        let heard = self.engine.hand(Work::Look(picture.clone()), stop)?;
        loop {
            match heard.recv() {
                Ok(Said::Seen(info)) => {
                    self.picture = Some(picture);
                    self.exchanges.clear();
                    return Ok(info);
                }
                Ok(Said::Failed(error)) => return Err(error),
                Ok(Said::Piece(_) | Said::Done(_)) => {}
                Err(_) => return Err(broken_down()),
            }
        }
    }

    /// Asks, and waits for the whole answer. An answer that is stopped ends early ([`crate::session::StopReason::Stopped`]) and is kept;
    /// one that was stopped before its first word is an error, and the conversation is as it was.
    ///
    /// # Errors
    /// As [`crate::session::Session::ask`].
    pub fn ask(&mut self, question: &str) -> Result<Answer> {
        let mut pieces = self.stream(question);
        for piece in pieces.by_ref() {
            piece?;
        }
        pieces.answer.take().ok_or_else(broken_down)
    }

    /// Asks, and gives the answer as it comes. The exchange is kept once the last piece has been taken; pieces that are
    /// dropped before that stop the answer, and the conversation is as it was.
    pub fn stream(&mut self, question: &str) -> Pieces<'_> {
        let request = Request {
            picture: self.picture.as_ref().map(|picture| picture.key.clone()),
            before: self.exchanges.clone(),
            question: question.to_string(),
            begun: Vec::new(),
            options: self.options.clone(),
        };
        let stop = self.stop.clone();
        let work = Work::Ask(self.picture.clone(), Box::new(request));
        let heard = self.engine.hand(work, stop);
        Pieces {
            question: question.to_string(),
            conversation: self,
            heard: Some(heard),
            answer: None,
        }
    }

    /// Stops the question that is being answered, or else the next one. To be taken before it is asked, and set from
    /// another thread.
    pub fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// Forgets what was said; the picture stays.
    pub fn begin_anew(&mut self) {
        self.exchanges.clear();
    }

    /// What was said so far.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }
}

/// An answer as it comes. Ends with the answer, or with the first error.
#[derive(Debug)]
pub struct Pieces<'a> {
    conversation: &'a mut Conversation,
    question: String,
    /// None once it is over.
    heard: Option<Result<mpsc::Receiver<Said>>>,
    answer: Option<Answer>,
}

impl Pieces<'_> {
    /// The whole answer, with what it took; none before the last piece.
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }
}

impl Iterator for Pieces<'_> {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        let heard = match self.heard.take()? {
            Ok(heard) => heard,
            Err(error) => return Some(Err(error)),
        };
        loop {
            let error = match heard.recv() {
                Ok(Said::Piece(text)) => {
                    self.heard = Some(Ok(heard));
                    return Some(Ok(text));
                }
                Ok(Said::Seen(_)) => continue,
                Ok(Said::Done(answer)) => {
                    self.conversation.stop = StopFlag::default();
                    self.conversation.exchanges.push(Exchange {
                        question: std::mem::take(&mut self.question),
                        token_ids: Some(answer.token_ids.clone()),
                        text: answer.text.clone(),
                    });
                    self.answer = Some(*answer);
                    return None;
                }
                Ok(Said::Failed(error)) => error,
                Err(_) => broken_down(),
            };
            self.conversation.stop = StopFlag::default();
            return Some(Err(error));
        }
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        if self.heard.take().is_some() {
            std::mem::take(&mut self.conversation.stop).stop();
        }
    }
}

/// A picture's file; the engine reads it again where it has let go of its features for others.
#[derive(Debug, Clone)]
struct Picture {
    key: String,
    name: String,
    bytes: Arc<[u8]>,
}

/// What is to be done.
enum Work {
    Look(Picture),
    Ask(Option<Picture>, Box<Request>),
}

/// Work, what stops it, and where it is told.
struct Job {
    work: Work,
    stop: StopFlag,
    said: mpsc::Sender<Said>,
}

/// What comes of it: pieces, then one of the others.
enum Said {
    Piece(String),
    Seen(PictureInfo),
    Done(Box<Answer>),
    Failed(Error),
}

/// Which model.
struct What {
    folder: PathBuf,
    options: Options,
}

fn broken(reason: String) -> Error {
    Error::Device {
        device: "the engine".into(),
        reason,
    }
}

fn broken_down() -> Error {
    broken("it broke down; the next question loads the model again".into())
}

/// The first load, told to whoever waits for it.
fn begin(
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
            // Whoever has gone waits for nothing.
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

fn work(what: &What, shared: Shared, jobs: &mpsc::Receiver<Job>) {
    let mut engine = Some(shared);
    while let Ok(Job { work, stop, said }) = jobs.recv() {
        // What panics here is a driver or burn; the model that it leaves behind is not used again.
        let done = catch_unwind(AssertUnwindSafe(|| {
            pollster::block_on(answer(what, &mut engine, work, stop, &said))
        }));
        let last = match done {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => {
                if !leaves_it_whole(&error) {
                    engine = None;
                }
                Said::Failed(error)
            }
            Err(_) => {
                engine = None;
                Said::Failed(broken_down())
            }
        };
        // Whoever has gone needs no end.
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
    let (picture, request) = match work {
        Work::Look(picture) => (Some(picture), None),
        Work::Ask(picture, request) => (picture, Some(request)),
    };
    let mut info = None;
    if let Some(Picture { key, name, bytes }) = picture {
        let read = shared.read_picture(&key, &name, &bytes, &mut watch);
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

/// Whether the model may be asked again after `error`: what a question or a picture is to blame for leaves it as it was.
/// What is on a device that failed, or was read from files that are others by now, is not to be relied on.
fn leaves_it_whole(error: &Error) -> bool {
    matches!(
        error,
        Error::Stopped
            | Error::Option { .. }
            | Error::EmptyQuestion
            | Error::ContextExceeded { .. }
            | Error::PictureNotHeld { .. }
            | Error::ImageFormat { .. }
            | Error::ImageDamaged { .. }
            | Error::ImageTooLarge { .. }
    )
}
