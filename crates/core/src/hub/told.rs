//! The interpretation of a hub's answer without a network connection, for fuzzing.
//!
//! In: untrusted headers. Out: the paths and numbers that [`super::Hub::download`] would use.

use std::path::{Path, PathBuf};

use ureq::http::{HeaderMap, HeaderName, HeaderValue};

use super::cache::Cache;
use super::names::{Facts, content_length, range, text};
use super::origin::Address;
use super::plain::check_path;
use super::repository::Repository;
use crate::error::Result;

/// The information in the headers.
#[derive(Debug)]
pub struct Told {
    /// Path in the cache for the file's content.
    pub blob: PathBuf,
    /// Folder of the snapshot that would link to it.
    pub snapshot: PathBuf,
    /// Size of the file in bytes, if given.
    pub bytes: Option<u64>,
    /// Length of the answer in bytes, if given.
    pub length: Option<u64>,
    /// Offset of the first byte, for a partial answer.
    pub start: Option<u64>,
    /// The target of a redirect, without the query; and whether it has the same origin.
    pub redirect: Option<(String, bool)>,
}

/// Reads the headers of an answer from `hub`, an address, for a cache in `cache`. Invalid header
/// lines are skipped, since HTTP would not deliver them. `file` is a path from the hub's list.
///
/// # Errors
/// The errors of [`super::Hub::download`] for an untrustworthy answer.
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
    let cache = Cache::new(cache, &Repository::new("owner/name", None)?);
    Ok(Told {
        blob: cache.blob(&facts.etag),
        snapshot: cache.snapshot(&facts.commit).join(file),
        bytes: facts.bytes,
        length: content_length(hub, &map)?,
        start: range(hub, &map)?.and_then(|range| range.start),
        redirect,
    })
}
