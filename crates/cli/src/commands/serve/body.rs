//! A request's body, up to a size and within a time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use super::budget::{Budget, Share};
use super::limits::{Limits, MOST_BYTES};
use super::refusal::Refusal;

/// What a request brings beyond that is not taken in for nothing.
pub const MOST_THROWN_AWAY: usize = 4 * MOST_BYTES;
/// On the average a body must come as quickly, after a first time-out: who sends a byte now and then holds a place.
const SLOWEST_BYTES_PER_SECOND: u64 = 65_536;

/// A body, and what it holds of the budget.
pub struct Held {
    /// All of it.
    pub bytes: Vec<u8>,
    /// To be kept as long as the bytes, or what was made of them.
    pub share: Share,
}

/// Reads a body whole. What is refused here is still taken in for a while and thrown away by whoever lent it
/// (`drain.rs`), since many clients read no answer before they have sent all.
///
/// # Errors
/// 413 with `too-large`; 503 with `busy` if others hold too much; 408 with `timeout` if it comes too slowly; 400 with
/// `bad-request` if it breaks off.
pub async fn read(mut body: Body, budget: &Budget, limits: &Limits) -> Result<Held, Refusal> {
    let most = limits.body();
    let stated = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if stated > most {
        return Err(too_large(most));
    }
    if !budget.has(stated) {
        return Err(busy());
    }
    let mut held = Held {
        bytes: Vec::new(),
        share: Share::default(),
    };
    reserve(&mut held.bytes, stated)?;
    let begun = Instant::now();
    loop {
        let slowest = Duration::from_secs(held.bytes.len() as u64 / SLOWEST_BYTES_PER_SECOND);
        let last = (begun + limits.timeout + slowest).min(Instant::now() + limits.timeout);
        let Ok(next) = timeout_at(last, next(&mut body)).await else {
            return Err(too_slow(held.bytes.len(), begun.elapsed()));
        };
        let Some(bytes) = next? else {
            return Ok(held);
        };
        let length = held.bytes.len() + bytes.len();
        if length > most {
            return Err(too_large(most));
        }
        if !budget.grow(&mut held.share, length) {
            return Err(busy());
        }
        reserve(&mut held.bytes, bytes.len())?;
        held.bytes.extend_from_slice(&bytes);
    }
}

/// Makes room for more bytes. What is only reserved takes no memory yet; but where the system counts it all the same,
/// asking for too much would end the program.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<(), Refusal> {
    bytes.try_reserve(more).map_err(|_| busy())
}

/// The body is larger than `most` bytes.
pub fn too_large(most: usize) -> Refusal {
    Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..Refusal::bad_request(
            "too-large",
            format!(
                "the request is larger than {} MB; send a smaller picture",
                most / 1_000_000
            ),
        )
    }
}

/// There is no memory for the body now.
pub fn busy() -> Refusal {
    let message = "other requests hold all the memory that there is for them; ask again later";
    Refusal::busy("busy", message)
}

fn too_slow(bytes: usize, elapsed: Duration) -> Refusal {
    Refusal {
        status: StatusCode::REQUEST_TIMEOUT,
        ..Refusal::bad_request(
            "timeout",
            format!(
                "the request's body came too slowly: {bytes} bytes in {} seconds",
                elapsed.as_secs()
            ),
        )
    }
}

/// The next bytes; trailers have none.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
    match frame {
        None => Ok(None),
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(error)) => {
            let message = format!("the request broke off: {error}");
            Err(Refusal::bad_request("bad-request", message))
        }
    }
}
