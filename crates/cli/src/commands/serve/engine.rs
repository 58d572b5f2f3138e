//! The model on a thread of its own, which nothing else may hold, and the queue in front of it.
//!
//! In: jobs. Out: each job's answer, piece by piece, through a channel of its own. Whoever drops the receiving end
//! wants no answer any more: the work is stopped, and the next job's turn comes. Of HTTP it knows only how a failure is told.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::budget::Share;
use super::queue::Queue;
use super::refusal::Refusal;
use crate::commands::ModelArgs;
use inf_llava::error::Error;
use inf_llava::generate::default_temperature;
use inf_llava::image::keep_until_decoded;
use inf_llava::openai::{Finish, PictureFile};
use inf_llava::progress::{Event, StopFlag, Watch};
use inf_llava::request::Shown;
use inf_llava::session::{Request, Shared, StopReason};
use inf_llava::spec::plan::Coverage;

/// Jobs that wait; each may hold a picture's file.
pub const MOST_WAITING: usize = 16;
/// As the first thread of a program has it, on which the other commands compute.
const STACK_BYTES: usize = 8 << 20;

/// A question, and where its answer goes.
pub struct Job {
    /// The pictures that the request shows, in order.
    pub pictures: Vec<PictureFile>,
    /// The question.
    pub request: Request,
    /// Whether the request states a temperature; else the model's default is taken.
    pub states_temperature: bool,
    /// To [`Heard`].
    pub saying: Saying,
    /// What the request holds of the memory for requests, as long as its picture's file is there.
    pub share: Share,
}

/// Where an answer goes.
pub struct Saying {
    /// [`Said::Piece`]s, then one of the others.
    said: UnboundedSender<Said>,
    /// Nobody hears it any more. Set from outside, since much of the work says nothing for seconds.
    unheard: StopFlag,
}

/// Where an answer is heard. Once this is dropped nobody wants the answer any more, and the work for it is stopped.
pub struct Heard {
    said: UnboundedReceiver<Said>,
    unheard: StopFlag,
}

impl Saying {
    /// Both ends.
    pub fn new() -> (Self, Heard) {
        let (sender, said) = unbounded_channel();
        let unheard = StopFlag::default();
        let saying = Saying {
            said: sender,
            unheard: unheard.clone(),
        };
        (saying, Heard { said, unheard })
    }
}

impl Heard {
    /// What is said next; none if the engine ended without a word.
    pub async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// As [`Heard::next`].
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Said>> {
        self.said.poll_recv(context)
    }

    /// The answer is not wanted any more, though its reader may be there still.
    pub fn stop(&self) {
        self.unheard.stop();
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What comes of a job.
#[derive(Debug)]
pub enum Said {
    /// The next characters of the answer.
    Piece(String),
    /// The end of the answer.
    Done(Finish),
    /// There is no answer, or no more of it.
    Failed(Refusal),
}

/// The thread, and how to reach it.
pub struct Engine {
    queue: Arc<Queue<Job>>,
    ending: StopFlag,
    thread: JoinHandle<()>,
}

/// Starts the thread. The model is loaded when a job needs it.
///
/// # Errors
/// What the system says if it has no thread.
pub fn start(model: ModelArgs) -> io::Result<Engine> {
    let (queue, ending) = (Queue::new(MOST_WAITING), StopFlag::default());
    let (jobs, is_ending) = (Arc::clone(&queue), ending.clone());
    let thread = thread::Builder::new()
        .name("engine".into())
        .stack_size(STACK_BYTES)
        .spawn(move || work(&model, &jobs, &is_ending))?;
    Ok(Engine {
        queue,
        ending,
        thread,
    })
}

impl Engine {
    /// Where jobs wait.
    pub fn queue(&self) -> Arc<Queue<Job>> {
        Arc::clone(&self.queue)
    }

    /// Takes no more jobs, stops the one that is worked on, and waits for the thread, but not beyond `last`: a pass
    /// on a slow device cannot be stopped.
    pub fn end(self, last: Instant) {
        self.queue.close();
        self.ending.stop();
        while !self.thread.is_finished() && Instant::now() < last {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn work(model: &ModelArgs, jobs: &Queue<Job>, ending: &StopFlag) {
    let mut engine = None;
    while let Some(job) = jobs.pop() {
        if job.saying.unheard.is_set() {
            eprintln!("a client went away before its turn");
            continue;
        }
        let said = job.saying.said.clone();
        // What panics here is a driver or burn; the model that it leaves behind is not used again.
        let done = catch_unwind(AssertUnwindSafe(|| {
            pollster::block_on(answer(job, model, &mut engine, ending))
        }));
        let last = match done {
            Ok(Ok(finish)) => Said::Done(finish),
            Ok(Err(error)) => {
                if error.downcast_ref() == Some(&Error::Stopped) {
                    eprintln!("a client went away before its answer began");
                }
                if leaves_it_broken(&error) {
                    engine = None;
                    eprintln!("error: {error:#}");
                }
                Said::Failed(match error.downcast_ref::<Error>() {
                    Some(error) => Refusal::from(error),
                    None => Refusal::internal(format!("{error:#}")),
                })
            }
            Err(_) => {
                engine = None;
                Said::Failed(Refusal::internal(
                    "the engine broke down; the next question loads the model again",
                ))
            }
        };
        // Whoever has gone needs no end.
        let _ = said.send(last);
    }
}

/// Whether the model is to be loaded again.
fn leaves_it_broken(error: &anyhow::Error) -> bool {
    let known = error.downcast_ref::<Error>();
    !known.is_some_and(Error::leaves_the_model_whole)
}

async fn load(model: &ModelArgs, ending: &StopFlag) -> anyhow::Result<Shared> {
    let (model, _) = model.load(ending).await?;
    model.device.allow_half().await?;
    Ok(Shared::new(model, Coverage::Live))
}

async fn answer(
    mut job: Job,
    model: &ModelArgs,
    engine: &mut Option<Shared>,
    ending: &StopFlag,
) -> anyhow::Result<Finish> {
    // A model that was renewed answers this question already; the one before it lets go of its memory first.
    if let Some(Err(change)) = engine.as_ref().map(|shared| shared.model().unchanged()) {
        *engine = None;
        eprintln!("{change} (as is done now)");
    }
    let shared = match engine {
        Some(shared) => shared,
        None => engine.insert(load(model, ending).await?),
    };
    if !job.states_temperature {
        let scope = shared.model().config.scope;
        job.request.options.sampling.temperature = default_temperature(scope);
    }
    let Saying {
        said,
        unheard: stop,
    } = job.saying;
    let mut watch = Watch::new(stop.clone(), |event| {
        if let Event::Piece { text, .. } = event
            && !text.is_empty()
        {
            // Whoever has gone has set the flag.
            let _ = said.send(Said::Piece(text));
        }
        if ending.is_set() {
            stop.stop();
        }
    });
    let mut notices = Vec::new();
    let is_only = job.pictures.len() == 1;
    let shown: Vec<Shown> = job.request.all_pictures().cloned().collect();
    for (file, Shown { key, detail, .. }) in job.pictures.iter().zip(shown) {
        let (bytes, watch) = (&file.bytes, &mut watch);
        let read = shared.read_picture(&key, "image", bytes, is_only, detail, watch);
        let info = match read.await {
            Err(Error::Stopped) => {
                // What decodes it may go on, and takes memory as long as it does.
                keep_until_decoded(job.share);
                return Err(Error::Stopped.into());
            }
            info => info?,
        };
        for notice in info.told(shared.model().config.scope) {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        }
    }
    let system = shared.model().about_system(&job.request.system);
    notices.extend(system.map(String::from));
    // The files have been read, and others may have their room.
    drop((job.pictures, job.share));
    let answer = shared.reply(&job.request, &mut watch).await?;
    drop(watch);
    if answer.stop_reason == StopReason::Stopped {
        let tokens = answer.answer_tokens;
        eprintln!("a client went away; its answer was stopped after {tokens} tokens");
    }
    Ok(answer.finish(notices))
}
