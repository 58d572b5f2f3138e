//! Downloads one file with `curl`: completely, within limits of time and size, or returns the
//! reason.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use crate::command::Command;

/// Limits of time and size for one download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Timeout of the connection.
    pub connect: Duration,
    /// A transfer below one kilobyte per second for this long is aborted.
    pub stall: Duration,
    /// Total timeout.
    pub total: Duration,
    pub bytes: u64,
}

impl Limits {
    /// For an archive of a few megabytes, even on a slow connection.
    pub const ARCHIVE: Self = Self {
        connect: Duration::from_secs(10),
        stall: Duration::from_secs(20),
        total: Duration::from_secs(300),
        bytes: 64 << 20,
    };
    /// For one line of text.
    pub const CHECKSUM: Self = Self {
        bytes: 4096,
        ..Self::ARCHIVE
    };
}

/// The contents of `url`. Only HTTPS is allowed, except for this machine itself.
pub fn fetch(url: &str, limits: Limits) -> Result<Vec<u8>, String> {
    let protocol = if is_local(url) { "=http" } else { "=https" };
    let seconds = |time: Duration| time.as_secs().max(1).to_string();
    let curl = Command::line("curl --fail --silent --show-error --location --max-redirs 5")
        .args(["--proto", protocol, "--proto-redir", protocol])
        .args(["--connect-timeout", &seconds(limits.connect)])
        .args(["--speed-limit", "1000", "--speed-time"])
        .arg(seconds(limits.stall))
        .args(["--max-time", &seconds(limits.total)])
        .args(["--", url]);
    let mut child = curl
        .build()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("curl cannot be run ({error})"))?;
    let mut bytes = Vec::new();
    let read = child
        .stdout
        .take()
        .map(|pipe| pipe.take(limits.bytes + 1).read_to_end(&mut bytes));
    let too_large = bytes.len() as u64 > limits.bytes;
    if too_large {
        // It may have exited in the meantime.
        let _ = child.kill();
    }
    let output = child
        .wait_with_output()
        .map_err(|error| format!("curl cannot be waited for ({error})"))?;
    if too_large {
        return Err(format!("{url} holds more than {} bytes", limits.bytes));
    }
    if let Some(Err(error)) = read {
        return Err(format!("what curl prints cannot be read ({error})"));
    }
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or("curl gave no reason").trim();
        return Err(format!("{url} cannot be fetched: {said}"));
    }
    Ok(bytes)
}

/// Whether the address is on this machine, where the connection cannot be intercepted.
pub fn is_local(url: &str) -> bool {
    ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"]
        .iter()
        .any(|start| url.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_encryption_only_this_machine_is_asked() {
        assert!(is_local("http://127.0.0.1:8080/x"));
        assert!(!is_local("http://127.0.0.1.example.org/x"));
        assert!(!is_local("http://localhost.example.org:80/x"));
        let result = fetch("http://127.0.0.1.example.org/x", Limits::CHECKSUM);
        // curl's own error for a protocol that is not allowed, without a name lookup.
        assert!(result.is_err_and(|why| why.to_lowercase().contains("protocol")));
    }
}
