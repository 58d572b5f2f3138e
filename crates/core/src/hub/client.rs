//! HTTP requests to a hub and to the servers it redirects to. The token is sent to the hub's own
//! origin only.
//!
//! In: addresses. Out: an answer's headers, and its body in pieces. Network calls run on a separate
//! thread, so that a stop takes effect within a tenth of a second however slow the hub is.

use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::http::HeaderMap;

use super::names::{check_encoding, text};
use super::origin::{Address, Origin};
use super::plain::refused;
use crate::error::{Error, Result};
use crate::progress::StopFlag;

/// The hub needs one redirect, and its storage another.
const MOST_REDIRECTS: usize = 5;
/// Timeout for name resolution, the connection and the headers together; then for each read.
const PATIENCE: Duration = Duration::from_secs(60);
/// Interval between checks of the stop flag.
const GLANCE: Duration = Duration::from_millis(100);
const PIECE_BYTES: usize = 64 << 10;
/// Capacity of the queue of pieces to be written.
const PIECES: usize = 4;

/// An error, and whether a retry may help.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Temporary: the connection was interrupted, or the server is busy.
    Passing(Error),
    /// Permanent: a retry would fail the same way.
    Lasting(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Lasting(error)
    }
}

impl Trouble {
    pub fn into_error(self) -> Error {
        match self {
            Trouble::Passing(error) | Trouble::Lasting(error) => error,
        }
    }
}

/// Which redirects are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Redirects within the hub's origin; any other redirect is returned as the answer.
    Own,
    /// Those to other origins too.
    Any,
}

/// An answer whose body has not been read yet.
pub(super) struct Answer {
    /// The address without its query.
    pub url: String,
    pub status: u16,
    pub headers: HeaderMap,
    /// The headers of all answers from the hub's own origin in the chain of redirects, the latest
    /// of each name.
    pub hub_headers: HeaderMap,
    receiver: Receiver<Said>,
}

enum Said {
    Head(Box<(String, u16, HeaderMap, HeaderMap)>),
    Piece(Vec<u8>),
    End(Result<(), Trouble>),
}

/// An HTTP client for one hub, with an optional token.
#[derive(Clone)]
pub(super) struct Client {
    agent: Agent,
    own: Origin,
    token: Option<String>,
}

impl Client {
    /// # Errors
    /// [`Error::Option`] if the token is not a single word; the message does not contain the token.
    pub fn new(own: Origin, token: Option<String>) -> Result<Self> {
        let is_word = |token: &String| token.bytes().all(|b| b.is_ascii_graphic());
        if !token.as_ref().is_none_or(is_word) {
            return Err(Error::Option {
                option: "HF_TOKEN".into(),
                reason: "the token must be one word of letters, digits and signs".into(),
            });
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Redirects are followed below, where the token's origin is checked.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("inf-llava/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .timeout_per_write(Some(PATIENCE));
        Ok(Client {
            agent: config.build().new_agent(),
            own,
            token,
        })
    }

    /// Requests `address`, or its bytes `range.0` to `range.1`; `hub` is the name for messages.
    pub fn ask(
        &self,
        hub: &str,
        address: &Address,
        range: Option<(u64, Option<u64>)>,
        follow: Follow,
        stop: &StopFlag,
    ) -> Result<Answer, Trouble> {
        stop.check()?;
        let (sender, receiver) = sync_channel(PIECES);
        let ask = Ask {
            client: self.clone(),
            hub: hub.into(),
            address: address.clone(),
            range: range.map(|(from, to)| match to {
                Some(to) => format!("bytes={from}-{to}"),
                None => format!("bytes={from}-"),
            }),
            follow,
        };
        // After a stop nobody receives the pieces; the thread ends at its next piece, or with the
        // program.
        let thread = thread::Builder::new().name("hub".into());
        let begun = thread.spawn(move || ask.run(&sender));
        begun.map_err(|error| Error::Network {
            url: address.shown(),
            reason: format!("no thread can be begun to ask: {error}"),
        })?;
        match wait(&receiver, &address.shown(), stop)? {
            Said::Head(head) => {
                let (url, status, headers, hub_headers) = *head;
                if matches!(status, 200 | 206) {
                    check_encoding(hub, &headers)?;
                }
                Ok(Answer {
                    url,
                    status,
                    headers,
                    hub_headers,
                    receiver,
                })
            }
            Said::End(Err(trouble)) => Err(trouble),
            Said::Piece(_) | Said::End(Ok(())) => Err(broken(&address.shown(), "no answer came")),
        }
    }
}

impl Answer {
    /// The next piece of the body; `None` at the end.
    pub fn piece(&self, stop: &StopFlag) -> Result<Option<Vec<u8>>, Trouble> {
        match wait(&self.receiver, &self.url, stop)? {
            Said::Piece(bytes) => Ok(Some(bytes)),
            Said::End(Ok(())) => Ok(None),
            Said::End(Err(trouble)) => Err(trouble),
            Said::Head(_) => Err(broken(&self.url, "the answer began twice")),
        }
    }

    /// The whole body; never reads more than `cap` bytes.
    pub fn body(
        &self,
        hub: &str,
        what: &str,
        cap: u64,
        stop: &StopFlag,
    ) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(stop)? {
            body.extend(piece);
            if body.len() as u64 > cap {
                let found = format!("more than {cap} bytes");
                return Err(refused(hub, what, &found, "it is not taken").into());
            }
        }
        Ok(body)
    }
}

fn broken(url: &str, reason: impl std::fmt::Display) -> Trouble {
    Trouble::Passing(Error::Network {
        url: url.into(),
        reason: reason.to_string(),
    })
}

fn wait(receiver: &Receiver<Said>, url: &str, stop: &StopFlag) -> Result<Said, Trouble> {
    loop {
        stop.check()?;
        match receiver.recv_timeout(GLANCE) {
            Ok(said) => return Ok(said),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(broken(url, "the connection broke off"));
            }
        }
    }
}

/// A request for the thread.
struct Ask {
    client: Client,
    hub: String,
    address: Address,
    range: Option<String>,
    follow: Follow,
}

impl Ask {
    /// A failed send means that the receiver is gone.
    fn run(mut self, sender: &SyncSender<Said>) {
        let end = self.talk(sender);
        let _ = sender.send(Said::End(end));
    }

    fn talk(&mut self, sender: &SyncSender<Said>) -> Result<(), Trouble> {
        let mut hub_headers = HeaderMap::new();
        for _ in 0..=MOST_REDIRECTS {
            let is_own = self.address.origin == self.client.own;
            let response = self.request(is_own)?;
            let status = response.status().as_u16();
            let (parts, body) = response.into_parts();
            let headers = parts.headers;
            if is_own {
                for (name, value) in &headers {
                    hub_headers.insert(name, value.clone());
                }
            }
            if matches!(status, 301 | 302 | 303 | 307 | 308) {
                let location = text(&self.hub, &headers, "Location")?.unwrap_or_default();
                let to = self.address.redirected(location)?;
                if self.follow == Follow::Any || to.origin == self.client.own {
                    self.address = to;
                    continue;
                }
            }
            let head = (self.address.shown(), status, headers, hub_headers);
            if sender.send(Said::Head(Box::new(head))).is_ok() {
                self.hand_on(body.into_with_config().limit(u64::MAX).reader(), sender)?;
            }
            return Ok(());
        }
        Err(Trouble::Lasting(Error::Network {
            url: self.address.shown(),
            reason: format!("more than {MOST_REDIRECTS} redirects lead on from one another"),
        }))
    }

    fn request(&self, is_own: bool) -> Result<ureq::http::Response<ureq::Body>, Trouble> {
        let mut request = self.client.agent.get(&self.address.uri);
        if let Some(range) = &self.range {
            request = request.header("range", range);
        }
        if let Some(token) = self.client.token.as_ref().filter(|_| is_own) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.call().map_err(|error| {
            let is_passing = match &error {
                ureq::Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
                ureq::Error::Timeout(_) => true,
                _ => false,
            };
            let error = Error::Network {
                url: self.address.shown(),
                reason: error.to_string(),
            };
            match is_passing {
                true => Trouble::Passing(error),
                false => Trouble::Lasting(error),
            }
        })
    }

    fn hand_on(&self, mut body: impl Read, sender: &SyncSender<Said>) -> Result<(), Trouble> {
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let read = body.read(&mut piece);
            let read = read.map_err(|error| broken(&self.address.shown(), error))?;
            piece.truncate(read);
            if read == 0 || sender.send(Said::Piece(piece)).is_err() {
                return Ok(());
            }
        }
    }
}
