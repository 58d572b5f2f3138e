//! How much is taken in at once, and how long anyone is waited for.

use std::time::Duration;

use clap::Args;
use clap::value_parser;

use inf_llava::error::{Error, Result};

/// A picture of 128 MB in base64, and room for the conversation around it.
pub const MOST_BYTES: usize = 180_000_000;
/// Connections at once, where the system allows them.
const MOST_CONNECTIONS: usize = 1024;
/// The model's and the page's files that are open at once, where the system allows them.
const MOST_FILES: usize = 128;
/// Connections beyond the most, which are told so.
pub const MOST_REFUSED: usize = 8;
/// Descriptors for all else: input and output, the runtime's, the device's, the model's files while they are read.
const OTHERS: usize = 40;
/// Fewer connections serve nobody.
const FEWEST_CONNECTIONS: usize = 4;
/// Fewer open files serve nobody.
const FEWEST_FILES: usize = 2;
/// Seconds in which answers come to their end, if nothing else is said.
const GRACE_SECONDS: u64 = 8;
/// How long it may take, once answers are broken off, until connections are closed and the engine has stopped: both at
/// the same time.
pub const BREAKING_OFF: Duration = Duration::from_secs(1);
/// Containers are killed after so many seconds.
const CONTAINERS_WAIT_SECONDS: u64 = 10;
const _: () = assert!(GRACE_SECONDS + BREAKING_OFF.as_secs() < CONTAINERS_WAIT_SECONDS);

/// Limits, as they are typed.
#[derive(Args)]
pub struct LimitArgs {
    /// Seconds for which a client may keep the server waiting: for the head of a request, for more of its body, for
    /// taking more of an answer
    #[arg(long, default_value_t = 20, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Seconds for which a connection stays open between requests
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=3600))]
    idle: u64,
    /// Connections at once [default: 1024, or as many as the limit on open files leaves room for]
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Megabytes of requests' bodies at once, those of waiting questions included
    #[arg(long, default_value_t = 400, value_name = "MB", value_parser = value_parser!(u32).range(1..=1_000_000))]
    memory: u32,
    /// Seconds in which answers may come to their end after SIGTERM or Ctrl-C; what is left is broken off
    #[arg(long, default_value_t = GRACE_SECONDS, value_name = "SECONDS", value_parser = value_parser!(u64).range(0..=3600))]
    grace: u64,
}

/// Limits, as they are kept to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Files that are being sent at once.
    pub files: usize,
    /// Bytes of requests' bodies at once.
    pub memory: usize,
    /// How long a client may keep the server waiting.
    pub timeout: Duration,
    /// How long a connection stays open between requests.
    pub idle: Duration,
    /// How long answers may take to end once the server is stopped.
    pub grace: Duration,
}

impl Limits {
    /// What was typed, as far as the system has descriptors for it. Takes as many as it needs and may have.
    ///
    /// # Errors
    /// [`Error::Option`] if there are too few.
    pub fn new(args: &LimitArgs) -> Result<Self> {
        let wanted = args.connections.unwrap_or(MOST_CONNECTIONS);
        let descriptors = descriptors(wanted.saturating_add(MOST_FILES + MOST_REFUSED + OTHERS));
        let (connections, files) = allot(args.connections, descriptors)?;
        Ok(Limits {
            connections,
            files,
            memory: args.memory as usize * 1_000_000,
            timeout: Duration::from_secs(args.timeout),
            idle: Duration::from_secs(args.idle),
            grace: Duration::from_secs(args.grace),
        })
    }

    /// Bytes that one request's body may have.
    pub fn body(&self) -> usize {
        self.memory.min(MOST_BYTES)
    }
}

/// How many descriptors the process may have: `wanted`, or fewer if it may not have as many.
#[cfg(unix)]
fn descriptors(wanted: usize) -> usize {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted; // a system without such a limit
    };
    let may_have = hard.min(wanted as u64);
    if soft < may_have && setrlimit(Resource::RLIMIT_NOFILE, may_have, hard).is_ok() {
        return wanted.min(may_have as usize);
    }
    usize::try_from(soft).unwrap_or(usize::MAX)
}

#[cfg(not(unix))]
fn descriptors(wanted: usize) -> usize {
    wanted
}

/// (connections, files) of so many descriptors.
fn allot(connections: Option<usize>, descriptors: usize) -> Result<(usize, usize)> {
    let room = descriptors.saturating_sub(MOST_REFUSED + OTHERS);
    let files = (room / 4).clamp(FEWEST_FILES, MOST_FILES);
    let most = room.saturating_sub(files);
    let fewest = FEWEST_CONNECTIONS + FEWEST_FILES + MOST_REFUSED + OTHERS;
    if most < FEWEST_CONNECTIONS {
        return Err(Error::Option {
            option: "the limit on open files".into(),
            reason: format!(
                "{descriptors} are allowed and at least {fewest} are needed; raise it: ulimit -n 1024"
            ),
        });
    }
    match connections {
        None => Ok((most.min(MOST_CONNECTIONS), files)),
        Some(0) => Err(Error::Option {
            option: "--connections".into(),
            reason: "there must be one at least".into(),
        }),
        Some(named) if named > most => Err(Error::Option {
            option: "--connections".into(),
            reason: format!(
                "{named} need more open files than the {descriptors} that are allowed, which are enough for {most}; raise the limit: ulimit -n {}",
                named.saturating_add(MOST_FILES + MOST_REFUSED + OTHERS)
            ),
        }),
        Some(named) => Ok((named, files)),
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_REFUSED, OTHERS, allot};

    #[test]
    fn all_that_is_open_at_once_fits() {
        for descriptors in 0..3000 {
            match allot(None, descriptors) {
                Ok((connections, files)) => {
                    assert!(connections + files + MOST_REFUSED + OTHERS <= descriptors);
                    assert!(connections >= 4 && files >= 2);
                }
                Err(error) => assert!(descriptors < 54, "{error}"),
            }
        }
        assert_eq!(allot(None, 64), Ok((12, 4)));
        assert_eq!(allot(None, 1024), Ok((848, 128)));
        assert_eq!(allot(None, 20_000), Ok((1024, 128)));
        assert_eq!(allot(Some(2000), 20_000), Ok((2000, 128)));
        assert_eq!(allot(Some(1), 64), Ok((1, 4)));
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        for (connections, descriptors, says) in [
            (None, 53, "53 are allowed and at least 54"),
            (Some(13), 64, "enough for 12"),
            (Some(usize::MAX), 64, "enough for 12"),
            (Some(0), 1024, "one at least"),
        ] {
            let error = allot(connections, descriptors).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
