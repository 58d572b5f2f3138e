//! What a connection is doing, and since when: by this it is seen who keeps the server waiting.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::Instant;

/// One connection's doings.
pub struct Pulse {
    state: Mutex<State>,
    /// Whoever holds this connection is to let go of it, for another one.
    pub make_room: Notify,
}

#[derive(Clone, Copy)]
struct State {
    doing: Doing,
    since: Instant,
    /// Since when the other side takes nothing of what is to be sent.
    blocked: Option<Instant>,
    /// The other side has nothing more to say.
    is_at_end: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Doing {
    /// Nothing was said since the last answer.
    Idle,
    /// A head has begun.
    Head,
    /// A request is answered.
    Answering,
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Nothing was asked for long.
    Idle,
    /// A head did not come to its end.
    Head,
    /// What was answered is not taken.
    Reader,
}

impl Pulse {
    /// Of a connection that has just begun.
    pub fn new() -> Arc<Self> {
        Arc::new(Pulse {
            state: Mutex::new(State {
                doing: Doing::Idle,
                since: Instant::now(),
                blocked: None,
                is_at_end: false,
            }),
            make_room: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, doing: Doing) {
        let mut state = self.lock();
        (state.doing, state.since) = (doing, Instant::now());
    }

    /// A request's head is there; when what this gives is dropped, it is answered.
    pub fn answering(self: &Arc<Self>) -> Answering {
        self.begin(Doing::Answering);
        Answering(Arc::clone(self))
    }

    /// Since when the server waits for a request, and has nothing left to send.
    pub fn quiet_since(&self) -> Option<Instant> {
        let state = self.lock();
        let is_quiet = state.doing != Doing::Answering && state.blocked.is_none();
        is_quiet.then_some(state.since)
    }

    /// Until when the other side has time for what it is waited for, and what that is.
    pub fn deadline(&self, timeout: Duration, idle: Duration) -> Option<(Instant, Late)> {
        let state = self.lock();
        let waits = match state.doing {
            Doing::Idle => Some((state.since + idle, Late::Idle)),
            Doing::Head => Some((state.since + timeout, Late::Head)),
            Doing::Answering => None,
        };
        match state.blocked {
            Some(since) => Some((since + timeout, Late::Reader)),
            None => waits,
        }
    }

    /// Whether the other side has nothing more to say.
    pub fn is_at_end(&self) -> bool {
        self.lock().is_at_end
    }
}

/// As long as a request is answered.
pub struct Answering(Arc<Pulse>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.begin(Doing::Idle);
    }
}

/// A connection whose pulse is taken.
pub struct Watched {
    /// The connection.
    pub stream: TcpStream,
    /// What it is doing.
    pub pulse: Arc<Pulse>,
}

impl Watched {
    fn wrote(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut state = self.pulse.lock();
        state.blocked = match done {
            Poll::Pending => state.blocked.or_else(|| Some(Instant::now())),
            Poll::Ready(_) => None,
        };
        done
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let room = into.remaining();
        let done = Pin::new(&mut self.stream).poll_read(context, into);
        let read = into.filled().len() - before;
        if done.is_ready() && room > 0 {
            let mut state = self.pulse.lock();
            if read == 0 {
                state.is_at_end = true;
            } else if state.doing == Doing::Idle {
                (state.doing, state.since) = (Doing::Head, Instant::now());
            }
        }
        done
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
