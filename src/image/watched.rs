//! Decoding that can be stopped. A picture of 64 megapixels takes seconds, and the decoders ask nobody meanwhile.

use super::{Limits, Picture, decode};
use crate::error::Result;
use crate::progress::StopFlag;

/// As [`decode`], until `stop` is set. Then the decoder is left to itself: its thread ends with the picture or with
/// the program, and nobody gets what it makes. In a browser, where a worker has no threads and ends with the page's
/// word, it is decoded at once.
///
/// # Errors
/// As [`decode`]; [`crate::Error::Stopped`].
pub fn decode_watched(
    file: &str,
    bytes: &[u8],
    limits: &Limits,
    stop: &StopFlag,
) -> Result<Picture> {
    stop.check()?;
    if cfg!(target_arch = "wasm32") {
        return decode(file, bytes, limits);
    }
    on_a_thread(file, bytes, limits, stop)
}

fn on_a_thread(file: &str, bytes: &[u8], limits: &Limits, stop: &StopFlag) -> Result<Picture> {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use crate::error::Error;

    /// How long Stop may go unheard.
    const GLANCE: Duration = Duration::from_millis(50);
    let damaged = |reason: String| Error::ImageDamaged {
        file: file.into(),
        reason,
    };
    let (sender, receiver) = channel();
    let (name, bytes, limits) = (file.to_string(), bytes.to_vec(), *limits);
    let decoding = move || {
        // Whoever stopped does not listen.
        let _ = sender.send(decode(&name, &bytes, &limits));
    };
    let thread = std::thread::Builder::new().name("picture".into());
    let begun = thread.spawn(decoding);
    begun.map_err(|error| damaged(format!("no thread can be begun to decode it: {error}")))?;
    loop {
        match receiver.recv_timeout(GLANCE) {
            Ok(picture) => return picture,
            Err(RecvTimeoutError::Timeout) => stop.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(damaged(
                    "the decoder broke down over it; save it anew".into(),
                ));
            }
        }
    }
}
