//! A request's body, up to a size.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use bytes::Bytes;

use super::refusal::Refusal;

/// A picture of 128 MB in base64, and room for the conversation around it.
pub const MOST_BYTES: usize = 180_000_000;
/// What is too large is still taken in up to here, and thrown away: many clients read no answer before they have sent all.
const MOST_TAKEN_IN: usize = 4 * MOST_BYTES;

/// Reads a body whole.
///
/// # Errors
/// 413 with `too-large`; 400 with `bad-request` if it breaks off.
pub async fn read(mut body: Body) -> Result<Vec<u8>, Refusal> {
    let too_large = || Refusal {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        ..Refusal::bad_request(
            "too-large",
            format!(
                "the request is larger than {} MB; send a smaller picture",
                MOST_BYTES / 1_000_000
            ),
        )
    };
    // Its Content-Length, where it has one.
    if body.size_hint().lower() > MOST_TAKEN_IN as u64 {
        return Err(too_large());
    }
    let (mut kept, mut taken_in) = (Vec::new(), 0);
    while taken_in <= MOST_TAKEN_IN
        && let Some(bytes) = next(&mut body).await?
    {
        taken_in += bytes.len();
        match taken_in <= MOST_BYTES {
            true => kept.extend_from_slice(&bytes),
            false => kept = Vec::new(),
        }
    }
    match taken_in <= MOST_BYTES {
        true => Ok(kept),
        false => Err(too_large()),
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
