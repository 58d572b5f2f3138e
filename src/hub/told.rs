//! What an answer of a hub comes to, without a hub: for whoever wants to try headers on it, as fuzzing does.
//!
//! In: headers by a stranger. Out: the paths and numbers that [`super::Hub::download`] would go by.

use std::path::{Path, PathBuf};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::cache::Cache;
use super::names::{Facts, check_path, content_length, range, text};
use super::origin::Address;
use crate::error::Result;

/// What headers tell.
#[derive(Debug)]
pub struct Told {
    /// Where the file's content would be kept.
    pub blob: PathBuf,
    /// The folder that would name it.
    pub snapshot: PathBuf,
    /// Bytes of the file, if they are told.
    pub bytes: Option<u64>,
    /// Bytes of the answer, if they are told.
    pub length: Option<u64>,
    /// The first byte of the part that the answer holds, if it is a part.
    pub start: Option<u64>,
    /// Where it redirects to, without the query; whether that is the same server.
    pub redirect: Option<(String, bool)>,
}

/// Reads the headers of an answer of `hub`, an address, for a cache in `cache`. Lines that are no header are passed over,
/// as they would not come through HTTP. `file` is a path as the hub lists it.
///
/// # Errors
/// As [`super::Hub::download`] for an answer that is not to be trusted.
pub fn told(hub: &str, cache: &Path, file: &str, headers: &[(&[u8], &[u8])]) -> Result<Told> {
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().take(64) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            map.append(name, value);
        }
    }
    check_path(hub, file)?;
    let facts = Facts::read(hub, &map)?;
    let asked = Address::parse(hub)?;
    let redirect = match text(hub, &map, "Location")? {
        Some(location) => {
            let to = asked.redirected(location)?;
            Some((to.shown(), to.origin == asked.origin))
        }
        None => None,
    };
    let cache = Cache::new(cache, "owner/name");
    Ok(Told {
        blob: cache.blob(&facts.etag),
        snapshot: cache.snapshot(&facts.commit).join(file),
        bytes: facts.bytes,
        length: content_length(hub, &map)?,
        start: range(hub, &map)?.and_then(|range| range.start),
        redirect,
    })
}
