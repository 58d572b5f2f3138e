//! Being stopped: by SIGTERM or Ctrl-C, also as the first process of a container, which the system would protect from
//! both if nobody listened for them.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nobody has asked for it.
    Serving,
    /// No connection is taken any more; answers come to their end.
    Ending,
    /// Answers are broken off.
    BreakingOff,
}

/// Tells how far stopping has come.
#[derive(Clone)]
pub struct Stop(watch::Receiver<Stage>);

impl Stop {
    /// Waits until stopping has come to `stage`.
    pub async fn reached(&self, stage: Stage) {
        // If the teller is gone, so is the server.
        let _ = self.0.clone().wait_for(|now| *now >= stage).await;
    }
}

/// The signals, and who is told of them.
pub struct Signals {
    signals: Sources,
    stage: watch::Sender<Stage>,
}

impl Signals {
    /// Listens from now on. To be called within a runtime.
    ///
    /// # Errors
    /// What the system says if it lets nobody listen.
    pub fn listen() -> io::Result<(Self, Stop)> {
        let (stage, stop) = watch::channel(Stage::Serving);
        let signals = Sources::new()?;
        Ok((Signals { signals, stage }, Stop(stop)))
    }

    /// Does `work` on a thread of its own; none if a signal comes first, after which nobody waits for the thread.
    ///
    /// # Errors
    /// What the system says if it has no thread, or that the thread broke down.
    pub async fn unless_one<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (sender, receiver) = oneshot::channel();
        let thread = thread::Builder::new().name("model".into());
        // Nobody hears what is done after a signal.
        thread.spawn(move || drop(sender.send(work())))?;
        tokio::select! {
            done = receiver => done.map(Some).map_err(io::Error::other),
            name = self.signals.next() => {
                eprintln!("{name}: ended before the model was there");
                Ok(None)
            }
        }
    }

    /// Waits for a signal, then for the answers for as long as `grace` or until another signal, and has what is left
    /// broken off.
    pub async fn run(mut self, grace: Duration) {
        let name = self.signals.next().await;
        eprintln!("{name}: answers have {} seconds to end", grace.as_secs());
        self.stage.send_replace(Stage::Ending);
        tokio::select! {
            () = sleep(grace) => {}
            _ = self.signals.next() => {}
        }
        self.stage.send_replace(Stage::BreakingOff);
        // Whoever waits for a stage would otherwise take the end of this for one.
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
struct Sources {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Sources {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Sources {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}

#[cfg(not(unix))]
struct Sources;

#[cfg(not(unix))]
impl Sources {
    fn new() -> io::Result<Self> {
        Ok(Sources)
    }

    async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
