//! Decoding that can be stopped. A picture of 64 megapixels takes seconds, and the decoders cannot
//! be interrupted.

use std::any::Any;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::{Limits, PAD_COLOUR, Picture, decode_on};
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// As [`super::decode`], but returns when `stop` is set. The decoder's thread then continues in the
/// background until the picture is finished or the program ends, and its result is dropped; the
/// next picture waits for it. In a browser the decoder runs directly: a worker has no threads, and
/// the page stops it by ending the worker.
///
/// # Errors
/// As [`super::decode`]; [`crate::Error::Stopped`].
pub fn decode_watched(
    file: &str,
    bytes: &[u8],
    limits: &Limits,
    stop: &StopFlag,
) -> Result<Picture> {
    decode_watched_on(file, bytes, limits, PAD_COLOUR, stop)
}

/// As [`decode_watched`], with the ground of [`decode_on`].
///
/// # Errors
/// As [`decode_watched`].
pub fn decode_watched_on(
    file: &str,
    bytes: &[u8],
    limits: &Limits,
    ground: [u8; 3],
    stop: &StopFlag,
) -> Result<Picture> {
    stop.check()?;
    if cfg!(target_arch = "wasm32") {
        return decode_on(file, bytes, limits, ground);
    }
    wait_for_those_left(stop)?;
    let (name, bytes, limits) = (file.to_string(), bytes.to_vec(), *limits);
    on_a_thread(file, stop, move || {
        decode_on(&name, &bytes, &limits, ground)
    })
}

/// Interval between checks of the stop flag.
const GLANCE: Duration = Duration::from_millis(50);
/// Stopped decoders whose threads are still running. There are at most as many as callers that
/// decode at the same time, since each caller waits for earlier ones to end.
static LEFT: Mutex<Vec<Weak<Left>>> = Mutex::new(Vec::new());

/// Lives as long as a decoder's thread.
#[derive(Default)]
struct Left(Mutex<Option<Box<dyn Any + Send>>>);

/// The stopped decoders that are still running.
fn left() -> Vec<Arc<Left>> {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|one| one.strong_count() > 0);
    left.iter().filter_map(Weak::upgrade).collect()
}

/// For callers that got [`crate::Error::Stopped`] from [`decode_watched`]: keeps `what` until the
/// stopped decoder has ended and its memory is free. Drops it at once if no decoder is running, or
/// if every running decoder already keeps something.
pub fn keep_until_decoded(what: impl Any + Send) {
    for decoder in left() {
        let mut kept = decoder.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(Box::new(what));
            return;
        }
    }
}

/// Waits for stopped decoders to end, so that repeated stops cannot accumulate decoders and their
/// memory.
fn wait_for_those_left(stop: &StopFlag) -> Result<()> {
    while !left().is_empty() {
        stop.check()?;
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

fn on_a_thread(
    file: &str,
    stop: &StopFlag,
    decode: impl FnOnce() -> Result<Picture> + Send + 'static,
) -> Result<Picture> {
    let damaged = |reason: String| Error::ImageDamaged {
        file: file.into(),
        reason,
    };
    let (sender, receiver) = channel();
    let own = Arc::new(Left::default());
    let of_the_thread = Arc::clone(&own);
    let decoding = move || {
        // Dropped last, after the picture's memory is freed.
        let _own = of_the_thread;
        let picture = decode();
        // After a stop nobody receives the result.
        let _ = sender.send(picture);
    };
    let thread = std::thread::Builder::new().name("picture".into());
    let begun = thread.spawn(decoding);
    begun.map_err(|error| damaged(format!("no thread can be begun to decode it: {error}")))?;
    loop {
        match receiver.recv_timeout(GLANCE) {
            Ok(picture) => return picture,
            Err(RecvTimeoutError::Timeout) if stop.is_set() => {
                let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
                left.push(Arc::downgrade(&own));
                return Err(Error::Stopped);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(damaged(
                    "the decoder broke down over it; save it anew".into(),
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::{StopFlag, keep_until_decoded, left, on_a_thread, wait_for_those_left};
    use crate::error::Error;

    #[test]
    fn a_decoder_that_is_left_to_itself_is_waited_for_and_holds_what_it_takes() {
        let stop = StopFlag::default();
        let ((begun, is_at_work), (go_on, is_done)) = (channel::<()>(), channel::<()>());
        let decoding = move || {
            drop(begun);
            let _ = is_done.recv();
            Err(Error::Stopped)
        };
        let press = stop.clone();
        let pressing = std::thread::spawn(move || {
            assert!(is_at_work.recv().is_err());
            press.stop();
        });
        assert_eq!(on_a_thread("slow", &stop, decoding), Err(Error::Stopped));
        pressing.join().expect("no panic");
        assert_eq!(left().len(), 1);

        let (own, of_another) = (Arc::new(()), Arc::new(()));
        let holders = |of: &Arc<()>| Arc::strong_count(of) - 1;
        keep_until_decoded(Arc::clone(&own));
        keep_until_decoded(Arc::clone(&of_another));
        assert_eq!((holders(&own), holders(&of_another)), (1, 0));
        // The next decoding waits, and can be stopped meanwhile.
        assert_eq!(wait_for_those_left(&stop), Err(Error::Stopped));
        drop(go_on);
        assert_eq!(wait_for_those_left(&StopFlag::default()), Ok(()));
        assert_eq!(holders(&own), 0);
        keep_until_decoded(Arc::clone(&own));
        assert_eq!(holders(&own), 0);
    }
}
