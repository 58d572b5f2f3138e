//! An answer as server-sent events, while it waits and while it is made.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_core::Stream;

use super::engine::{Heard, Job, Said};
use super::queue::Ticket;
use super::refusal::Refusal;
use super::stop::{Stage, Stop};
use inf_llava::openai::Head;

/// What a reader is told now and then as long as nothing else is to be said; programs pass such lines over.
const WAITING: &str = "waiting";
/// Proxies and clients give up connections on which nothing is said for a minute, or five.
const PAUSE: Duration = Duration::from_secs(10);

/// The events of one answer. Dropped with the connection, it leaves the queue and tells the engine that nobody listens.
struct Chunks {
    head: Head,
    heard: Heard,
    _ticket: Ticket<Job>,
    /// What is to be sent before the engine is heard again.
    ready: VecDeque<Event>,
    has_begun: bool,
    is_over: bool,
    /// The server's end, before which an answer can only be broken off.
    broken_off: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The answer to a request that was understood. `first`: what has been heard already; until then a failure could still
/// have a status of its own. From now on it is an event, in the shape that OpenAI's clients raise as an error.
pub fn answer(
    head: Head,
    ticket: Ticket<Job>,
    first: Option<Said>,
    heard: Heard,
    stop: Stop,
) -> Response {
    let mut chunks = Chunks {
        head,
        heard,
        _ticket: ticket,
        ready: VecDeque::new(),
        has_begun: false,
        is_over: false,
        broken_off: Box::pin(async move { stop.reached(Stage::BreakingOff).await }),
    };
    match first {
        Some(first) => chunks.hear(Some(first)),
        // Some clients take an answer for begun at its first byte only.
        None => chunks.ready.push_back(Event::default().comment(WAITING)),
    }
    let alive = KeepAlive::new().interval(PAUSE).text(WAITING);
    Sse::new(chunks).keep_alive(alive).into_response()
}

impl Chunks {
    fn say(&mut self, data: impl Display) {
        let event = Event::default().data(data.to_string());
        self.ready.push_back(event);
    }

    fn hear(&mut self, said: Option<Said>) {
        let said = said.unwrap_or_else(|| {
            Said::Failed(Refusal::internal("the engine ended before the answer"))
        });
        self.is_over = !matches!(said, Said::Piece(_));
        if !self.has_begun && !matches!(said, Said::Failed(_)) {
            self.has_begun = true;
            self.say(self.head.begin());
        }
        match said {
            Said::Piece(text) => self.say(self.head.piece(&text)),
            Said::Failed(refusal) => self.say(refusal.json()),
            Said::Done(finish) => {
                self.say(self.head.end(&finish));
                if let Some(usage) = self.head.usage(&finish) {
                    self.say(usage);
                }
                self.say("[DONE]");
            }
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if self.is_over {
                return Poll::Ready(None);
            }
            match self.heard.poll_next(context) {
                Poll::Ready(said) => self.hear(said),
                Poll::Pending => match self.broken_off.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => {
                        self.heard.stop();
                        self.hear(Some(Said::Failed(Refusal::stopping())));
                    }
                },
            }
        }
    }
}
