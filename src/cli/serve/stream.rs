//! An answer as server-sent events, while it is made.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::response::sse::Event;
use futures_core::Stream;

use super::completion::Completion;
use super::engine::{Heard, Said};
use super::refusal::Refusal;
use super::stop::{Stage, Stop};

/// The events of one answer. Dropped with the connection, it tells the engine that nobody listens.
pub struct Chunks {
    completion: Completion,
    heard: Heard,
    /// What is to be sent before the engine is heard again.
    ready: VecDeque<String>,
    is_over: bool,
    /// The server's end, before which an answer can only be broken off.
    broken_off: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Chunks {
    /// `first` has been heard already: until then a failure could still have a status of its own.
    pub fn new(completion: Completion, first: Said, heard: Heard, stop: Stop) -> Self {
        let mut chunks = Chunks {
            ready: VecDeque::from([completion.begin().to_string()]),
            completion,
            heard,
            is_over: false,
            broken_off: Box::pin(async move { stop.reached(Stage::BreakingOff).await }),
        };
        chunks.hear(Some(first));
        chunks
    }

    fn hear(&mut self, said: Option<Said>) {
        let said = said.unwrap_or_else(|| {
            Said::Failed(Refusal::internal("the engine ended before the answer"))
        });
        self.is_over = !matches!(said, Said::Piece(_));
        match said {
            Said::Piece(text) => self
                .ready
                .push_back(self.completion.piece(&text).to_string()),
            Said::Failed(refusal) => self.ready.push_back(refusal.json().to_string()),
            Said::Done(finish) => {
                self.ready
                    .push_back(self.completion.end(&finish).to_string());
                let usage = self.completion.usage(&finish);
                self.ready.extend(usage.map(|usage| usage.to_string()));
                self.ready.push_back("[DONE]".to_string());
            }
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(data) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Event::default().data(data))));
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
