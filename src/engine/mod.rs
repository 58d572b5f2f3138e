//! Runs a model on its own thread; any thread of the program can ask it.
//!
//! In: pictures and questions. Out: answers, whole or piece by piece. The model cannot leave its thread, so only
//! messages do: [`Engine`] and [`Conversation`] are handles. It must not depend on how answers are shown.

mod thread;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use crate::error::Result;
use crate::progress::{Event, StopFlag, Watch};
use crate::request::Shown;
use crate::session::{Answer, AskOptions, Exchange, PictureInfo, Request};
use thread::{Job, Picture, Said, What, Work, begin, broken, broken_down, work};

pub use thread::{Loaded, Options};

/// The usual stack size of a program's main thread.
const STACK_BYTES: usize = 8 << 20;

/// A handle to a model on its own thread. Handles are cheap to clone and can be sent to other threads. Questions are
/// answered one at a time, in order of arrival. When the last handle and conversation are dropped, the thread ends
/// and frees the model's memory.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// None while it is being dropped, which ends the thread.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    loaded: Loaded,
    pictures: AtomicU64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic on that thread was already reported to its caller.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// Loads the model in the folder `model` onto the best device, and waits until it is loaded.
    ///
    /// # Errors
    /// Anything missing, broken or too large, as [`crate::model::Model::load`]; [`crate::Error::Device`].
    pub fn open(model: impl Into<PathBuf>) -> Result<Self> {
        Self::open_with(model, Options::default())
    }

    /// As [`Engine::open`], with `options`.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open_with(model: impl Into<PathBuf>, options: Options) -> Result<Self> {
        Self::open_watched(model, options, StopFlag::default(), |_| {})
    }

    /// As [`Engine::open_with`]; reports progress to `on_event`, on the engine's thread, and can be stopped with
    /// `stop`.
    ///
    /// # Errors
    /// As [`Engine::open`]; [`crate::Error::Stopped`].
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
        let thread = std::thread::Builder::new()
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
        // A thread that panicked while loading sends nothing.
        let loaded = is_ready.recv().unwrap_or_else(|_| Err(broken_down()))?;
        Ok(Engine(Arc::new(Inner {
            jobs: Some(jobs),
            thread: Some(thread),
            loaded,
            pictures: AtomicU64::new(0),
        })))
    }

    /// Information about the model.
    pub fn loaded(&self) -> &Loaded {
        &self.0.loaded
    }

    /// A new conversation without a picture. There may be several; each has its own history, and they share the
    /// model.
    pub fn conversation(&self) -> Conversation {
        let mut options = AskOptions::default();
        options.sampling.temperature = self.0.loaded.temperature;
        Conversation {
            engine: self.clone(),
            options,
            system: String::new(),
            pictures: Vec::new(),
            shown: Vec::new(),
            exchanges: Vec::new(),
            stop: StopFlag::default(),
        }
    }

    /// Sends work to the thread; the receiver gets its messages.
    fn hand(&self, work: Work, stop: StopFlag) -> Result<mpsc::Receiver<Said>> {
        let (said, heard) = mpsc::channel();
        let jobs = self.0.jobs.as_ref().ok_or_else(broken_down)?;
        jobs.send(Job { work, stop, said })
            .map_err(|_| broken_down())?;
        Ok(heard)
    }
}

/// A conversation about a picture, or about none. It can be sent to other threads.
#[derive(Debug)]
pub struct Conversation {
    engine: Engine,
    /// Options of its answers.
    pub options: AskOptions,
    /// What the model is told before anything is asked; empty for nothing.
    pub system: String,
    /// All pictures of the conversation, in order.
    pictures: Vec<Picture>,
    /// Those that the next question shows.
    shown: Vec<Shown>,
    exchanges: Vec<Exchange>,
    /// Stops the current question, or else the next one.
    stop: StopFlag,
}

impl Conversation {
    /// Reads a picture from the bytes of its file and starts a new conversation; `name` is used in errors. If this
    /// fails, the earlier picture and conversation are kept.
    ///
    /// # Errors
    /// As [`crate::image::decode`]; [`crate::Error::Stopped`]; [`crate::Error::Device`] and other errors of the model.
    pub fn look(&mut self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<PictureInfo> {
        let (picture, info) = self.read(name, bytes.into(), true)?;
        self.exchanges.clear();
        self.shown = vec![Shown::first(&picture.key)];
        self.pictures = vec![picture];
        Ok(info)
    }

    /// Reads another picture, which the next question shows.
    ///
    /// # Errors
    /// As [`Conversation::look`]; asking fails for a model that looks at one picture in a conversation.
    pub fn look_also(&mut self, name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<PictureInfo> {
        let is_only = self.pictures.is_empty();
        let (picture, info) = self.read(name, bytes.into(), is_only)?;
        self.shown.push(Shown::first(&picture.key));
        self.pictures.push(picture);
        Ok(info)
    }

    fn read(
        &mut self,
        name: &str,
        bytes: Arc<[u8]>,
        is_only: bool,
    ) -> Result<(Picture, PictureInfo)> {
        let number = self.engine.0.pictures.fetch_add(1, Ordering::Relaxed);
        let picture = Picture {
            key: format!("picture {number}"),
            name: name.to_string(),
            bytes,
        };
        let stop = std::mem::take(&mut self.stop);
        let work = Work::Look(picture.clone(), is_only);
        let heard = self.engine.hand(work, stop)?;
        loop {
            match heard.recv() {
                Ok(Said::Seen(info)) => return Ok((picture, info)),
                Ok(Said::Failed(error)) => return Err(error),
                Ok(Said::Piece(_) | Said::Done(_)) => {}
                Err(_) => return Err(broken_down()),
            }
        }
    }

    /// Asks a question and waits for the whole answer. A stopped answer ends early
    /// ([`crate::session::StopReason::Stopped`]) and is kept; if it is stopped before its first word, this is an
    /// error, and the conversation is unchanged.
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

    /// Asks a question and returns the answer piece by piece. The exchange is kept once the last piece has been
    /// taken; dropping the pieces earlier stops the answer and leaves the conversation unchanged.
    pub fn stream(&mut self, question: &str) -> Pieces<'_> {
        let request = Request {
            system: self.system.clone(),
            before: self.exchanges.clone(),
            pictures: self.shown.clone(),
            question: question.to_string(),
            begun: Vec::new(),
            options: self.options.clone(),
        };
        let stop = self.stop.clone();
        let work = Work::Ask(self.pictures.clone(), Box::new(request));
        let heard = self.engine.hand(work, stop);
        Pieces {
            question: question.to_string(),
            conversation: self,
            heard: Some(heard),
            answer: None,
        }
    }

    /// Stops the question that is being answered, or else the next one. Get it before asking, and set it from another
    /// thread.
    pub fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// Removes the exchanges; the pictures are kept, and shown with the next question.
    pub fn begin_anew(&mut self) {
        self.exchanges.clear();
        let keys = self.pictures.iter().map(|picture| &picture.key);
        self.shown = keys.map(Shown::first).collect();
    }

    /// The exchanges so far.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }
}

/// An answer, piece by piece. Ends with the answer, or with the first error.
#[derive(Debug)]
pub struct Pieces<'a> {
    conversation: &'a mut Conversation,
    question: String,
    /// None after the end.
    heard: Option<Result<mpsc::Receiver<Said>>>,
    answer: Option<Answer>,
}

impl Pieces<'_> {
    /// The whole answer and its statistics; none before the last piece.
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
                    let pictures = std::mem::take(&mut self.conversation.shown);
                    self.conversation.exchanges.push(Exchange {
                        pictures,
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
