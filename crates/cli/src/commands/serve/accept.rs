//! Connections, as many as the limits allow. Where there are more, the one that has been quiet for longest makes room,
//! and where none is quiet, the new one is told to come again.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{drive, refuse};
use super::limits::{BREAKING_OFF, Limits, MOST_REFUSED};
use super::listen::Listeners;
use super::pulse::Pulse;
use super::stop::{Stage, Stop};

/// Whoever has been quiet for less may be about to ask.
const QUIET: Duration = Duration::from_secs(1);
/// How long it may take until a quiet connection has made room.
const MAKING_ROOM: Duration = Duration::from_millis(500);
/// Between two tries to take a connection for which the system has no descriptor.
const PAUSE: Duration = Duration::from_millis(200);
/// What was left when the answers were broken off.
pub struct BrokenOff {
    /// Connections.
    pub connections: usize,
    /// When that was.
    pub since: Instant,
}

/// The connections that are open.
struct Open {
    limits: Limits,
    places: Arc<Semaphore>,
    pulses: Mutex<BTreeMap<u64, Arc<Pulse>>>,
}

/// Takes connections and answers them until the server is stopped, and tells what was broken off then, if anything
/// was.
pub async fn serve(
    mut listeners: Listeners,
    routes: Router,
    limits: Limits,
    stop: Stop,
) -> Option<BrokenOff> {
    let open = Arc::new(Open {
        limits,
        places: Arc::new(Semaphore::new(limits.connections)),
        pulses: Mutex::default(),
    });
    let refusals = Arc::new(Semaphore::new(MOST_REFUSED));
    let mut numbers = 0..;
    let accepting = async {
        let mut is_told = false;
        loop {
            let stream = match listeners.accept().await {
                Ok(stream) => stream,
                // Whoever called has hung up already.
                Err(error) if is_the_callers(&error) => continue,
                Err(error) => {
                    if !is_told {
                        eprintln!("a connection cannot be taken, and is tried again: {error}");
                        is_told = true;
                    }
                    open.make_room(Duration::ZERO);
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(place) = open.place().await else {
                // As long as none of these may be spoken to, callers wait in the system's queue.
                let Ok(refusal) = Arc::clone(&refusals).acquire_owned().await else {
                    return;
                };
                tokio::spawn(async move {
                    refuse(stream).await;
                    drop(refusal);
                });
                continue;
            };
            let number = numbers.next().unwrap_or_default();
            tokio::spawn(Arc::clone(&open).hold(
                number,
                place,
                stream,
                routes.clone(),
                stop.clone(),
            ));
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop.reached(Stage::Ending) => {}
    }
    // From now on callers are told by the system that nobody is here.
    drop(listeners);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let is_quiet = tokio::select! {
        all = open.places.acquire_many(all) => all.is_ok(),
        () = stop.reached(Stage::BreakingOff) => false,
    };
    if is_quiet {
        return None;
    }
    let broken_off = BrokenOff {
        connections: limits.connections - open.places.available_permits(),
        since: Instant::now(),
    };
    // The ends of the answers that are broken off. The engine was told at the same moment to stop.
    let _ = timeout(BREAKING_OFF, open.places.acquire_many(all)).await;
    Some(broken_off)
}

/// Whether it is the caller whom a failure is about, and not this machine.
fn is_the_callers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    let kinds = [
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        Interrupted,
    ];
    kinds.contains(&error.kind())
}

impl Open {
    /// A place for one more, if there is one or can be made.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let places = || Arc::clone(&self.places);
        if let Ok(place) = places().try_acquire_owned() {
            return Some(place);
        }
        if !self.make_room(QUIET) {
            return None;
        }
        timeout(MAKING_ROOM, places().acquire_owned())
            .await
            .ok()?
            .ok()
    }

    /// Ends the connection that has been quiet for longest, if one has been for `at_least`.
    fn make_room(&self, at_least: Duration) -> bool {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = pulses
            .values()
            .filter_map(|pulse| Some((pulse.quiet_since()?, pulse)));
        match quiet.min_by_key(|(since, _)| *since) {
            Some((since, pulse)) if Instant::now() - since >= at_least => {
                pulse.make_room.notify_one();
                true
            }
            _ => false,
        }
    }

    async fn hold(
        self: Arc<Self>,
        number: u64,
        place: OwnedSemaphorePermit,
        stream: TcpStream,
        routes: Router,
        stop: Stop,
    ) {
        let pulse = Pulse::new();
        let held = Held {
            open: Arc::clone(&self),
            number,
            _place: place,
        };
        self.pulses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, Arc::clone(&pulse));
        drive(stream, routes, self.limits, pulse, stop).await;
        drop(held);
    }
}

/// A connection's place; given back even if answering it panics.
struct Held {
    open: Arc<Open>,
    number: u64,
    _place: OwnedSemaphorePermit,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut pulses = self
            .open
            .pulses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pulses.remove(&self.number);
    }
}
