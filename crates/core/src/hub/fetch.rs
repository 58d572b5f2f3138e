//! Downloads one file of a repository into the cache: verified, resumed after an interruption, and
//! never incomplete under its final name.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::Duration;

use super::cache::Cache;
use super::client::{Answer, Client, Follow, Trouble};
use super::names::{Facts, content_length, range};
use super::origin::Address;
use super::plain::refused;
use super::refusal::refusal;
use super::repository::Repository;
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Phase, StopFlag, Watch};

/// Number of retries after an interrupted connection.
const RETRIES: u32 = 5;
/// Pause before the first retry; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(100);
const MIB: u64 = 1 << 20;
/// Size limit of a file in bytes; the hub's own limit is 50 GB.
const WEIGHTS_CAP: u64 = 64 << 30;

/// Size limit of `file` in bytes.
pub(super) fn cap(file: &str) -> u64 {
    match file {
        _ if file.ends_with(".index.json") => 32 * MIB,
        "tokenizer.json" => 64 * MIB,
        _ if file.ends_with(".safetensors") || file.ends_with(".bin") => WEIGHTS_CAP,
        _ => MIB,
    }
}

/// A repository that is being downloaded.
pub(super) struct Fetch<'a> {
    pub client: &'a Client,
    /// The hub's name for messages.
    pub hub: &'a str,
    pub repository: &'a Repository,
    pub cache: &'a Cache,
    /// The revision's commit.
    pub commit: &'a str,
}

/// A file to be downloaded.
#[derive(Debug)]
pub(super) struct Wanted {
    pub file: String,
    pub facts: Facts,
}

impl Fetch<'_> {
    fn address(&self, file: &str) -> Result<Address> {
        let folder = self.repository.folder_address(self.hub);
        Address::parse(&format!("{folder}{file}"))
    }

    fn refuse(&self, field: &str, value: &str, reason: impl Into<String>) -> Trouble {
        refused(self.hub, field, value, reason).into()
    }

    /// Asks the hub about `file`.
    pub fn facts(&self, file: &str, stop: &StopFlag) -> Result<Wanted> {
        let facts = again(stop, || self.ask_facts(file, stop))?;
        if let Some(bytes) = facts.bytes.filter(|&bytes| bytes > cap(file)) {
            let reason = format!("at most {} bytes are taken", cap(file));
            return Err(refused(
                self.hub,
                &format!("the size of {file}"),
                &bytes.to_string(),
                reason,
            ));
        }
        if facts.bytes.is_none() && cap(file) == WEIGHTS_CAP {
            let reason = format!("{file} may be large, and the hub does not tell its size");
            return Err(refused(self.hub, "X-Linked-Size", "", reason));
        }
        if facts.bytes.is_none() && facts.hash().is_none() {
            let reason = format!(
                "the hub tells neither the size of {file} nor a hash, so a part of it could not be told from the whole"
            );
            return Err(refused(self.hub, "ETag", &facts.etag, reason));
        }
        Ok(Wanted {
            file: file.into(),
            facts,
        })
    }

    fn ask_facts(&self, file: &str, stop: &StopFlag) -> Result<Facts, Trouble> {
        let address = self.address(file)?;
        let ask = |range| {
            self.client
                .ask(self.hub, &address, range, Follow::Own, stop)
        };
        let mut answer = ask(Some((0, Some(0))))?;
        if answer.status == 416 {
            // An empty file has no first byte to request.
            answer = ask(None)?;
        }
        // Redirects lead to the content.
        if !matches!(answer.status, 200 | 206 | 301 | 302 | 303 | 307 | 308) {
            return Err(self.status(&answer, file));
        }
        let mut facts = Facts::read(self.hub, &answer.hub_headers)?;
        if answer.status == 200 && facts.bytes.is_none() {
            facts.bytes = content_length(self.hub, &answer.headers)?;
        }
        if facts.commit != self.commit {
            let reason = format!(
                "the repository was {} a moment ago; it was changed meanwhile, the same command begins anew",
                self.commit
            );
            return Err(self.refuse("X-Repo-Commit", &facts.commit, reason));
        }
        Ok(facts)
    }

    /// The error for an answer's status.
    fn status(&self, answer: &Answer, file: &str) -> Trouble {
        let status = answer.status;
        let error = match answer.url.starts_with(self.hub) {
            true => refusal(self.hub, self.repository, file, status, &answer.headers),
            // Of the storage that the hub leads to.
            false => {
                let reason = format!("{file} is not to be had from {}", answer.url);
                refused(self.hub, "status", &status.to_string(), reason)
            }
        };
        match status {
            429 | 500..=599 => Trouble::Passing(error),
            _ => Trouble::Lasting(error),
        }
    }

    /// Downloads the file if it is missing; `done` of `total` bytes were downloaded before it.
    pub fn fetch(
        &self,
        wanted: &Wanted,
        done: u64,
        total: u64,
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let Wanted { file, facts } = wanted;
        let stop = watch.stop.clone();
        let _lock = self.cache.lock(&facts.etag, &stop)?;
        if !self.holds_whole(facts, &stop)? {
            let mut report = |bytes| watch.progress(Phase::Download, done + bytes, total);
            let fetched = again(&stop, || self.try_fetch(file, facts, &mut report, &stop));
            if fetched.is_err() {
                self.cache.forget_empty(&facts.etag);
            }
            fetched?;
        }
        self.cache.link(self.commit, file, &facts.etag)
    }

    /// Whether the content is in the cache and, if its name is a hash, matches it: others may have
    /// written it.
    fn holds_whole(&self, facts: &Facts, stop: &StopFlag) -> Result<bool> {
        if !self.cache.holds_blob(&facts.etag, facts.bytes) {
            return Ok(false);
        }
        let Some(expected) = facts.hash() else {
            return Ok(true);
        };
        let path = self.cache.blob(&facts.etag);
        let failed = |error: std::io::Error| Error::FileAccess {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        let (mut file, _) = files::open(&path).map_err(failed)?;
        Ok(expected.of(&mut file, failed, stop)? == expected)
    }

    fn try_fetch(
        &self,
        name: &str,
        facts: &Facts,
        report: &mut dyn FnMut(u64),
        stop: &StopFlag,
    ) -> Result<(), Trouble> {
        let (mut file, path) = self.cache.begun(&facts.etag)?;
        let failed = |error: std::io::Error| Error::FileAccess {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        let mut have = file.metadata().map_err(failed)?.len();
        if have > facts.bytes.unwrap_or(0) || facts.hash().is_none() {
            // Without a size and a hash, a partial download cannot be verified, so it starts again.
            file.set_len(0).map_err(failed)?;
            have = 0;
        }
        let resumed = have > 0;
        if facts.bytes.is_none_or(|bytes| have < bytes) {
            let part = resumed.then_some((have, None));
            let answer =
                self.client
                    .ask(self.hub, &self.address(name)?, part, Follow::Any, stop)?;
            have = self.beginning(&answer, name, facts, have)?;
            file.set_len(have).map_err(failed)?;
            file.seek(SeekFrom::Start(have)).map_err(failed)?;
            let most = facts.bytes.unwrap_or(cap(name));
            while let Some(piece) = answer.piece(stop)? {
                have += piece.len() as u64;
                if have > most {
                    let _ = fs::remove_file(&path);
                    let reason = format!(
                        "{name} is longer than the {most} bytes that were promised or are taken"
                    );
                    return Err(self.refuse("body", &format!("{have} bytes and more"), reason));
                }
                file.write_all(&piece).map_err(failed)?;
                report(have);
            }
            if let Some(bytes) = facts.bytes.filter(|&bytes| have < bytes) {
                return Err(Trouble::Passing(Error::Network {
                    url: answer.url,
                    reason: format!(
                        "{name} breaks off after {have} of {bytes} bytes; try the same command again"
                    ),
                }));
            }
        }
        if let Some(expected) = facts.hash() {
            let found = expected.of(&mut file, failed, stop)?;
            if found != expected {
                let _ = fs::remove_file(&path);
                let kind = expected.kind();
                let reason = format!("{name} has the {kind} {}; it was not kept", found.digits());
                let error = refused(self.hub, kind, expected.digits(), reason);
                // Either the partial download of an earlier run was wrong, or the end is missing.
                return Err(match resumed || facts.bytes.is_none() {
                    true => Trouble::Passing(error),
                    false => Trouble::Lasting(error),
                });
            }
        }
        Ok(self.cache.finish(&file, &path, &facts.etag)?)
    }

    /// Offset of the first byte in the answer's body; `have` was requested.
    fn beginning(
        &self,
        answer: &Answer,
        name: &str,
        facts: &Facts,
        have: u64,
    ) -> Result<u64, Trouble> {
        let begins = match answer.status {
            200 => 0,
            206 => {
                let part = range(self.hub, &answer.headers)?;
                let start = part.as_ref().and_then(|part| part.start);
                let total = part.as_ref().and_then(|part| part.total).or(facts.bytes);
                if start != Some(have) || total != facts.bytes {
                    let found = answer
                        .headers
                        .get("content-range")
                        .map(|v| String::from_utf8_lossy(v.as_bytes()));
                    let reason = format!(
                        "{name} was asked for from byte {have} on, of {:?} bytes",
                        facts.bytes
                    );
                    return Err(self.refuse("Content-Range", &found.unwrap_or_default(), reason));
                }
                have
            }
            _ => return Err(self.status(answer, name)),
        };
        // The hub's description must be the same as in the earlier answer.
        if answer.hub_headers.contains_key("etag")
            || answer.hub_headers.contains_key("x-linked-etag")
        {
            let now = Facts::read(self.hub, &answer.hub_headers)?;
            if (&now.etag, &now.commit) != (&facts.etag, &facts.commit) {
                let reason = format!(
                    "{name} was {} a moment ago; the same command begins anew",
                    facts.etag
                );
                return Err(self.refuse("ETag", &now.etag, reason));
            }
        }
        let length = content_length(self.hub, &answer.headers)?;
        match (length, facts.bytes) {
            (Some(length), Some(bytes)) if begins.saturating_add(length) != bytes => {
                let reason = format!("{name} has {bytes} bytes, of which {begins} are there");
                Err(self.refuse("Content-Length", &length.to_string(), reason))
            }
            _ => Ok(begins),
        }
    }
}

/// Retries temporary errors after a pause, which a stop interrupts.
pub(super) fn again<T>(
    stop: &StopFlag,
    mut attempt: impl FnMut() -> Result<T, Trouble>,
) -> Result<T> {
    let mut pause = PAUSE;
    for _ in 0..RETRIES {
        match attempt() {
            Err(Trouble::Passing(_)) => {}
            other => return other.map_err(Trouble::into_error),
        }
        let mut left = pause;
        while !left.is_zero() {
            stop.check()?;
            let nap = left.min(PAUSE);
            std::thread::sleep(nap);
            left -= nap;
        }
        pause *= 2;
    }
    attempt().map_err(Trouble::into_error)
}
