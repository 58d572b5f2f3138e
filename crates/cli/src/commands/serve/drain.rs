//! What a request's body still holds when its answer is known: it is taken in and thrown away before the answer goes
//! out, so that a client that sends all before it reads gets to read, and its connection serves the next request.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, EXPECT, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::body::MOST_THROWN_AWAY;
use super::stop::{Stage, Stop};

/// Who has sent nothing of a body for so long waits for the answer, as far as can be seen. What comes later is taken in
/// behind it.
const BEFORE_THE_FIRST: Duration = Duration::from_millis(150);
/// Who has begun to send may pause for so long.
const PAUSE: Duration = Duration::from_secs(5);

/// How long bodies are taken in for nothing.
#[derive(Clone)]
pub struct Draining {
    /// All of a body.
    pub timeout: Duration,
    /// Nobody is waited for any more.
    pub stop: Stop,
}

/// Answers a request once its body has come to its end, or is not worth waiting for: then the connection ends with the
/// answer.
pub async fn drained(State(draining): State<Draining>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    // Who asks first whether to send (RFC 9110, 10.1.1) is told not to by an answer, if nobody has read anything yet.
    let asks_first = request.headers().contains_key(EXPECT);
    let left = Left::default();
    let request = request.map(|body| Body::new(Lent::new(body, &left)));
    let mut response = next.run(request).await;
    let Some(left) = left.take() else {
        return response; // it was read to its end, or whoever reads it goes on
    };
    let is_late = response.status() == StatusCode::REQUEST_TIMEOUT;
    let is_over = match is_late || asks_first && !left.is_begun {
        true => false,
        false => tokio::select! {
            is_over = throw_away(left, draining.timeout) => is_over,
            () = draining.stop.reached(Stage::BreakingOff) => false,
        },
    };
    if !is_over {
        close(response.headers_mut());
    }
    response
}

/// Says that the connection takes no more requests.
fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Whether a body came to its end.
async fn throw_away(left: Unread, most: Duration) -> bool {
    let Unread {
        mut body,
        mut has_come,
        ..
    } = left;
    let stated = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if stated > MOST_THROWN_AWAY {
        return false;
    }
    let last = Instant::now() + most;
    let mut thrown_away = 0;
    while thrown_away <= MOST_THROWN_AWAY {
        let pause = if has_come { PAUSE } else { BEFORE_THE_FIRST };
        let until = last.min(Instant::now() + pause);
        let next = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
        match timeout_at(until, next).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) => {
                has_come = true;
                thrown_away += frame.data_ref().map_or(0, Bytes::len);
            }
            Ok(Some(Err(_))) | Err(_) => return false,
        }
    }
    false
}

/// Where a body comes to that was lent out and not read to its end.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<Unread>>>);

struct Unread {
    body: Body,
    /// Something of it was asked for, by which a client that asks first is told to send all.
    is_begun: bool,
    /// Something of it has come.
    has_come: bool,
}

impl Left {
    fn put(&self, unread: Option<Unread>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = unread;
    }

    fn take(&self) -> Option<Unread> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A body that comes back to who lent it.
struct Lent {
    unread: Option<Unread>,
    left: Left,
}

impl Lent {
    fn new(body: Body, left: &Left) -> Self {
        let unread = Unread {
            body,
            is_begun: false,
            has_come: false,
        };
        Lent {
            unread: Some(unread),
            left: left.clone(),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.left.put(self.unread.take());
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some(unread) = &mut self.unread else {
            return Poll::Ready(None);
        };
        unread.is_begun = true;
        let frame = Pin::new(&mut unread.body).poll_frame(context);
        match &frame {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => unread.has_come = true,
            Poll::Ready(None | Some(Err(_))) => self.unread = None,
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        let body = self.unread.as_ref().map(|unread| &unread.body);
        body.is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.unread.as_ref().map(|unread| &unread.body);
        body.map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}
