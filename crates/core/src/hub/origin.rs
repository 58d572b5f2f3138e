//! Addresses, and the check which of them may receive the token: those of the hub's own origin.

use ureq::http::Uri;

use super::secret;
use crate::error::{Error, Result};

/// Scheme, host and port, which identify a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

/// An address.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// The URI of the request.
    pub uri: Uri,
    /// Its origin.
    pub origin: Origin,
}

impl Address {
    /// # Errors
    /// [`Error::Network`] if it is not an http or https address, or contains a user name and
    /// password.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Network {
            url: secret::address(text),
            reason: reason.into(),
        };
        let uri: Uri = text.parse().map_err(|_| refuse("it is no address"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refuse("only http:// and https:// are asked")),
        };
        let authority = uri.authority().ok_or_else(|| refuse("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("an address with a user's name in it is not asked"));
        }
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        // A port that is not a number would be treated as the default port.
        let is_bare = authority.as_str() == authority.host();
        let port = match authority.port_u16() {
            Some(port) => port,
            None if is_bare && secure => 443,
            None if is_bare => 80,
            None => return Err(refuse("its port is no number")),
        };
        let origin = Origin { secure, host, port };
        Ok(Address { uri, origin })
    }

    /// The target of the redirect header `location` in an answer from this address.
    ///
    /// # Errors
    /// [`Error::Network`] if it is neither an address nor an absolute path, or leads from https to
    /// http.
    pub fn redirected(&self, location: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::Network {
            url: self.shown(),
            reason: format!("it redirects to {}: {reason}", secret::address(location)),
        };
        let is_path = location.starts_with('/') && !location.starts_with("//");
        let to = match is_path {
            true => format!("{}{location}", self.base()),
            false => location.to_string(),
        };
        let to = Address::parse(&to).map_err(|error| match error {
            Error::Network { reason, .. } => refuse(&reason),
            other => other,
        })?;
        match self.origin.secure && !to.origin.secure {
            true => Err(refuse("from https to http nothing is followed")),
            false => Ok(to),
        }
    }

    /// Scheme and authority, unchanged.
    fn base(&self) -> String {
        let scheme = if self.origin.secure { "https" } else { "http" };
        let authority = self.uri.authority().map_or("", |a| a.as_str());
        format!("{scheme}://{authority}")
    }

    /// The address for messages: without the query, which may contain credentials.
    pub fn shown(&self) -> String {
        format!("{}{}", self.base(), self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Address::parse(text).expect(text).origin
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(
            origin("https://Hub.example/a"),
            origin("https://hub.example:443/b?c")
        );
        for other in [
            "http://hub.example",
            "https://hub.example:444",
            "https://hub.example.evil",
            "https://x.hub.example",
        ] {
            assert_ne!(origin("https://hub.example"), origin(other), "{other}");
        }
    }

    #[test]
    fn strange_addresses_are_refused() {
        for text in [
            "",
            "hub.example",
            "ftp://hub.example",
            "file:///etc/passwd",
            "https://",
            "https://a@b",
            "https://hub.example:x/",
            "https://hub.example:99999/",
            "https://a b/",
            "https://a/\n",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn redirects_lead_to_addresses_and_absolute_paths_only() {
        let hub = Address::parse("https://hub.example/a?token=x").expect("an address");
        let to = |location: &str| hub.redirected(location).map(|to| to.uri.to_string());
        assert_eq!(to("/b?c").as_deref(), Ok("https://hub.example/b?c"));
        assert_eq!(
            to("https://cdn.example/b").as_deref(),
            Ok("https://cdn.example/b")
        );
        for location in [
            "",
            "b",
            "//evil.example/b",
            "http://hub.example/b",
            "file:///etc/passwd",
            "javascript:0",
            "/b c",
        ] {
            let error = to(location).expect_err(location).to_string();
            assert!(
                error.contains("https://hub.example/a") && !error.contains("token"),
                "{error}"
            );
        }
    }
}
