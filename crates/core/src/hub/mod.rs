//! Downloads models from the Hugging Face hub to the cache of Python's tools. Interrupted downloads
//! are resumed.
//!
//! In: a repository's name. Out: a folder of files. The hub, and any server in its place (a mirror,
//! a proxy, a redirect's target), is untrusted: it can send a wrong file, but it must not be able
//! to choose where files are written, obtain the token of another server, or use more memory and
//! disk than a model needs. This module must not know what the files contain.

mod cache;
mod client;
mod content;
mod environment;
mod fetch;
mod names;
mod origin;
mod pasted;
mod secret;
pub mod told;

use std::path::PathBuf;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::progress::{Phase, StopFlag, Watch};
use crate::weights::manifest::is_plain_name;
use cache::{BRANCH, Cache};
use client::{Client, Follow, Trouble};
use fetch::{Fetch, Wanted, again};
use names::{check_path, refused};
use origin::Address;

pub use environment::Settings;
pub use pasted::repository;

/// Size limit of a repository's file list, in bytes.
const INFO_CAP: u64 = 16 << 20;
/// Most weights files.
const WEIGHTS_CAP: usize = 1024;

/// A hub from which checkpoints are downloaded.
pub struct Hub {
    settings: Settings,
    client: Client,
}

/// A downloaded repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The folder of the downloaded revision.
    pub folder: PathBuf,
    /// Its commit.
    pub revision: String,
}

/// The hub's description of a repository.
#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Whether `name` has the form of a repository: `owner/name`.
pub fn is_repository(name: &str) -> bool {
    let mut parts = name.split('/');
    let is_plain = |part: Option<&str>| part.is_some_and(is_plain_name);
    is_plain(parts.next()) && is_plain(parts.next()) && parts.next().is_none()
}

impl Hub {
    /// # Errors
    /// [`Error::Network`] for an invalid address, [`Error::Option`] for an invalid token.
    pub fn new(settings: Settings) -> Result<Self> {
        let origin = Address::parse(&settings.endpoint)?.origin;
        if settings.endpoint.contains(['?', '#']) {
            return Err(Error::Network {
                url: secret::address(&settings.endpoint),
                reason:
                    "a hub's address must end with its path; leave out '?' and '#' and what follows"
                        .into(),
            });
        }
        let client = Client::new(origin, settings.token.clone())?;
        Ok(Hub { settings, client })
    }

    /// The hub configured by environment variables.
    ///
    /// # Errors
    /// The errors of [`Settings::read`] and [`Hub::new`]; [`Error::Option`] for an invalid proxy
    /// address.
    pub fn from_environment() -> Result<Self> {
        let get = |name: &str| std::env::var_os(name);
        environment::check_proxies(get)?;
        Hub::new(Settings::read(get)?)
    }

    /// Downloads the files of the repository `name` (`owner/name`) that are missing from the cache:
    /// its weights, and the files named in `beside`. No error contains the token, whatever the hub
    /// answers.
    ///
    /// # Errors
    /// [`Error::Hub`] if the hub's answer is not usable or not trustworthy; [`Error::Network`];
    /// [`Error::FileAccess`] if the cache cannot be written; [`Error::Stopped`].
    pub fn download(&self, name: &str, beside: &[&str], watch: &mut Watch<'_>) -> Result<Download> {
        let downloaded = self.try_download(name, beside, watch);
        downloaded.map_err(|error| match &self.settings.token {
            Some(token) => secret::without(error, token),
            None => error,
        })
    }

    fn try_download(&self, name: &str, beside: &[&str], watch: &mut Watch<'_>) -> Result<Download> {
        if !is_repository(name) {
            return Err(Error::Option {
                option: name.into(),
                reason: "a repository is called owner/name".into(),
            });
        }
        let cache = Cache::new(&self.settings.cache, name);
        if self.settings.offline {
            return self.downloaded(name, &cache, beside);
        }
        let hub = self.settings.endpoint.as_str();
        let Info { sha, siblings } = self.info(name, &watch.stop)?;
        let commit = names::commit(hub, "sha", &sha)?;
        for file in &siblings {
            check_path(hub, &file.rfilename)?;
        }
        let listed: Vec<&str> = siblings
            .iter()
            .map(|file| file.rfilename.as_str())
            .collect();
        let files = self.choose(name, &listed, beside)?;
        let fetch = Fetch {
            client: &self.client,
            hub,
            base: format!("{hub}/{name}"),
            cache: &cache,
            commit: &commit,
        };
        let missing = files.iter().filter(|file| !cache.holds(&commit, file));
        let wanted = missing.map(|file| fetch.facts(file, &watch.stop));
        let wanted: Vec<Wanted> = wanted.collect::<Result<_>>()?;
        let bytes = |wanted: &Wanted| wanted.facts.bytes.unwrap_or(0);
        let total = wanted.iter().map(bytes).sum();
        let mut done = 0;
        for wanted in &wanted {
            watch.progress(Phase::Download, done, total);
            fetch.fetch(wanted, done, total, watch)?;
            done += bytes(wanted);
        }
        watch.progress(Phase::Download, total, total);
        cache.set_commit(&commit)?;
        Ok(Download {
            folder: cache.snapshot(&commit),
            revision: commit,
        })
    }

    fn info(&self, name: &str, stop: &StopFlag) -> Result<Info> {
        let hub = self.settings.endpoint.as_str();
        let address = Address::parse(&format!("{hub}/api/models/{name}/revision/{BRANCH}"))?;
        let json = again(stop, || {
            let answer = self.client.ask(hub, &address, None, Follow::Any, stop)?;
            if answer.status != 200 {
                let status = answer.status.to_string();
                let reason = format!(
                    "it does not give {name}; is its name right, its licence accepted, HF_TOKEN set?"
                );
                let error = refused(hub, "status", &status, reason);
                return Err(match answer.status {
                    429 | 500..=599 => Trouble::Passing(error),
                    _ => Trouble::Lasting(error),
                });
            }
            answer.body(hub, "its list of files", INFO_CAP, stop)
        })?;
        serde_json::from_slice(&json).map_err(|error| {
            let text = String::from_utf8_lossy(&json);
            let reason = format!("it is no list of {name}'s files: {error}");
            refused(hub, "its answer", &text, reason)
        })
    }

    /// Chooses among the repository's files: weights in safetensors, otherwise in PyTorch's format.
    fn choose<'a>(
        &self,
        name: &str,
        there: &[&'a str],
        beside: &[&'a str],
    ) -> Result<Vec<&'a str>> {
        let weights = |is_weights: fn(&str) -> bool| -> Vec<&str> {
            let files = there.iter().copied();
            files
                .filter(|file| is_plain_name(file) && is_weights(file))
                .collect()
        };
        let mut files = weights(|file| file.ends_with(".safetensors"));
        if files.is_empty() {
            files = weights(|file| file.starts_with("pytorch_model") && file.ends_with(".bin"));
        }
        if files.is_empty() || files.len() > WEIGHTS_CAP {
            let count = format!("{} files of weights", files.len());
            let reason = format!(
                "{name} must have 1 to {WEIGHTS_CAP} called *.safetensors or pytorch_model*.bin"
            );
            return Err(refused(
                &self.settings.endpoint,
                "its list of files",
                &count,
                reason,
            ));
        }
        files.extend(beside.iter().filter(|file| there.contains(file)));
        Ok(files)
    }

    /// The result of an earlier download.
    fn downloaded(&self, name: &str, cache: &Cache, beside: &[&str]) -> Result<Download> {
        let none = || Error::FileAccess {
            file: self.settings.cache.display().to_string(),
            reason: format!("{name} was not downloaded yet, and HF_HUB_OFFLINE is set"),
        };
        let commit = cache.commit()?.ok_or_else(none)?;
        let files = cache.files(&commit);
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        self.choose(name, &files, beside).map_err(|_| none())?;
        Ok(Download {
            folder: cache.snapshot(&commit),
            revision: commit,
        })
    }
}
