//! One connection, from its first byte to its end. Nobody is waited for longer than the limits say, and whoever is
//! refused can read why.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::addresses::tidy;
use super::body::MOST_THROWN_AWAY;
use super::limits::Limits;
use super::pulse::{Answering, Late, Pulse, Watched};
use super::stop::{Stage, Stop};

/// Of a request's head, and of what is read and written at once.
const BUFFER_BYTES: usize = 64 << 10;
/// Who sends nothing for so long after the last answer is not waited for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Of a connection that is one too many.
const LAST_WORDS_OF_THE_REFUSED: Duration = Duration::from_secs(1);

/// Answers what is asked through `stream` until that ends, is late, or the server stops.
pub async fn drive(
    stream: TcpStream,
    routes: Router,
    limits: Limits,
    pulse: Arc<Pulse>,
    stop: Stop,
) {
    // The pieces of an answer are small, and are not to wait for one another.
    let _ = stream.set_nodelay(true);
    let watched = Watched {
        stream,
        pulse: Arc::clone(&pulse),
    };
    let service = Marked {
        routes: TowerToHyperService::new(routes),
        pulse: Arc::clone(&pulse),
    };
    let mut connection = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(watched), service);

    let mut late = pin!(sleep_until(Instant::now()));
    let mut make_room = pin!(pulse.make_room.notified());
    let mut ending = pin!(stop.reached(Stage::Ending));
    let mut is_ending = false;
    let ended = poll_fn(|context| {
        if !is_ending && ending.as_mut().poll(context).is_ready() {
            is_ending = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if connection.poll_without_shutdown(context).is_ready() {
            return Poll::Ready(None);
        }
        // Another one needs the place, or the server ends; whoever is answered, or was and takes it still, goes on.
        let is_unwanted = is_ending || make_room.as_mut().poll(context).is_ready();
        if is_unwanted && pulse.quiet_since().is_some() {
            return Poll::Ready(Some(Late::Idle));
        }
        let Some((until, why)) = pulse.deadline(limits.timeout, limits.idle) else {
            return Poll::Pending;
        };
        if late.deadline() != until {
            late.as_mut().reset(until);
        }
        late.as_mut().poll(context).map(|()| Some(why))
    })
    .await;
    let is_waited_for = match ended {
        Some(Late::Idle | Late::Reader) => false,
        Some(Late::Head) => true,
        None => !pulse.is_at_end(),
    };
    if is_waited_for {
        let mut stream = connection.into_parts().io.into_inner().stream;
        if ended == Some(Late::Head) {
            let text = "the head of the request did not come to its end in time";
            say(&mut stream, "408 Request Timeout", "", text).await;
        }
        tokio::select! {
            () = part(stream, LAST_WORDS, limits.timeout) => {}
            () = pulse.make_room.notified() => {}
        }
    }
}

/// Tells one that is too many.
pub async fn refuse(mut stream: TcpStream) {
    let text = "too many connections; ask again later";
    say(
        &mut stream,
        "503 Service Unavailable",
        "retry-after: 1\r\n",
        text,
    )
    .await;
    part(stream, LAST_WORDS_OF_THE_REFUSED, LAST_WORDS_OF_THE_REFUSED).await;
}

/// Writes an answer that fits the system's buffer; whoever takes nothing hears nothing.
async fn say(stream: &mut TcpStream, status: &str, header: &str, text: &str) {
    let length = text.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n{header}connection: close\r\n\r\n{text}\n"
    );
    let writing = stream.write_all(answer.as_bytes());
    let _ = timeout(LAST_WORDS_OF_THE_REFUSED, writing).await;
}

/// Ends a connection so that the last answer can be read: what still comes is taken in and thrown away, since a system
/// takes back what it has not delivered yet where bytes were left unread.
async fn part(mut stream: TcpStream, pause: Duration, most: Duration) {
    let last = Instant::now() + most;
    if timeout_at(last, stream.shutdown()).await.is_err() {
        return;
    }
    let mut thrown_away = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    while thrown_away < MOST_THROWN_AWAY {
        let until = last.min(Instant::now() + pause);
        match timeout_at(until, stream.read(&mut buffer)).await {
            Ok(Ok(bytes)) if bytes > 0 => thrown_away += bytes,
            _ => return,
        }
    }
}

/// The routes; the pulse is told of each request.
struct Marked {
    routes: TowerToHyperService<Router>,
    pulse: Arc<Pulse>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<MarkedBody>, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Marked {
    type Response = Response<MarkedBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        tidy(request.uri_mut());
        let answering = self.pulse.answering();
        let answer = self.routes.call(request);
        Box::pin(async move {
            let answer = answer.await?;
            Ok(answer.map(|body| MarkedBody {
                body,
                _answering: answering,
            }))
        })
    }
}

/// An answer's body; when it is dropped, the answer is over.
struct MarkedBody {
    body: Body,
    _answering: Answering,
}

impl HttpBody for MarkedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
