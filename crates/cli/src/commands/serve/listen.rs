//! Where the server is reached: this machine's own addresses, and no other. `localhost` is 127.0.0.1 to some programs
//! and [::1] to others, so it listens on both, where the system has both.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};

/// A port that the system chose for one address may be taken on the other.
const MOST_TRIES: usize = 16;

/// What is listened on.
pub struct Listeners {
    four: TcpListener,
    six: Option<TcpListener>,
    /// Whose callers are looked for first, in turn.
    is_sixs_turn: bool,
}

impl Listeners {
    /// On `port` of both addresses; 0 is one that is free on both.
    ///
    /// # Errors
    /// What the system says if 127.0.0.1 cannot be had. That [::1] cannot is said on stderr, where another program has
    /// its port.
    pub async fn on(port: u16) -> io::Result<Self> {
        for is_last in (1..=MOST_TRIES).map(|tries| tries == MOST_TRIES || port != 0) {
            let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
            let chosen = four.local_addr()?.port();
            let six = match TcpListener::bind((Ipv6Addr::LOCALHOST, chosen)).await {
                Err(error) if error.kind() == ErrorKind::AddrInUse && !is_last => continue,
                six => six,
            };
            if let Err(error) = &six
                && error.kind() == ErrorKind::AddrInUse
            {
                eprintln!(
                    "another program has [::1]:{chosen}, to which localhost may lead; use 127.0.0.1, or another --port"
                );
            }
            return Ok(Listeners {
                four,
                six: six.ok(),
                is_sixs_turn: false,
            });
        }
        Err(ErrorKind::AddrInUse.into())
    }

    /// The address that is told.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.four.local_addr()
    }

    /// The next caller, of either address.
    ///
    /// # Errors
    /// As [`TcpListener::accept`].
    pub async fn accept(&mut self) -> io::Result<TcpStream> {
        let (four, six) = (Some(&self.four), self.six.as_ref());
        let order = match self.is_sixs_turn {
            true => [six, four],
            false => [four, six],
        };
        self.is_sixs_turn = !self.is_sixs_turn;
        poll_fn(|context| {
            for listener in order.into_iter().flatten() {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted.map(|(stream, _)| stream));
                }
            }
            Poll::Pending
        })
        .await
    }
}
