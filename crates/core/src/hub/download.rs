//! Downloads a repository's files to the cache.
//!
//! In: a repository and its revision. Out: a folder of files.

use std::path::PathBuf;

use super::cache::Cache;
use super::client::{Client, Follow, Trouble};
use super::environment::Settings;
use super::fetch::{Fetch, Wanted, again};
use super::list::{List, Weights};
use super::origin::Address;
use super::refusal::refusal;
use super::repository::Repository;
use super::{environment, secret, token};
use crate::error::{Error, Result};
use crate::progress::{Phase, StopFlag, Watch};

/// A hub from which checkpoints are downloaded.
pub struct Hub {
    settings: Settings,
    client: Client,
}

/// What is missing of a repository's files: asked for, not downloaded.
#[derive(Debug)]
pub struct Found {
    repository: Repository,
    /// Its commit.
    revision: String,
    license: Option<String>,
    wanted: Vec<Wanted>,
}

impl Found {
    /// Bytes to download; 0 if the cache has everything.
    pub fn missing_bytes(&self) -> u64 {
        self.wanted.iter().map(bytes_of).sum()
    }

    /// The licence that the hub names, by its own name of it; untrusted, but printable and short.
    pub fn license(&self) -> Option<&str> {
        self.license.as_deref()
    }
}

/// A downloaded repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The folder of the downloaded revision.
    pub folder: PathBuf,
    /// Its commit.
    pub revision: String,
}

fn bytes_of(wanted: &Wanted) -> u64 {
    wanted.facts.bytes.unwrap_or(0)
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

    /// The folder of downloads.
    pub fn cache(&self) -> &std::path::Path {
        &self.settings.cache
    }

    /// Finds out which files of `repository` are missing from the cache: its `weights`, and the files named in
    /// `beside`. Only their first bytes are asked for. No error contains the token, whatever the hub answers.
    ///
    /// # Errors
    /// [`Error::Hub`] if the hub does not give the repository, has no such weights, or is not trustworthy;
    /// [`Error::Network`]; [`Error::FileAccess`] if the cache cannot be read, or the network must not be asked and
    /// the cache has no model; [`Error::Stopped`].
    pub fn find(
        &self,
        repository: &Repository,
        weights: Weights,
        beside: &[&str],
        stop: &StopFlag,
    ) -> Result<Found> {
        self.hiding(self.try_find(repository, weights, beside, stop))
    }

    /// Downloads what is missing.
    ///
    /// # Errors
    /// As [`Hub::find`]; [`Error::FileAccess`] if the cache cannot be written.
    pub fn fetch(&self, found: &Found, watch: &mut Watch<'_>) -> Result<Download> {
        self.hiding(self.try_fetch(found, watch))
    }

    /// Finds and downloads at once.
    ///
    /// # Errors
    /// As [`Hub::find`] and [`Hub::fetch`].
    pub fn download(
        &self,
        repository: &Repository,
        weights: Weights,
        beside: &[&str],
        watch: &mut Watch<'_>,
    ) -> Result<Download> {
        let found = self.find(repository, weights, beside, &watch.stop)?;
        self.fetch(&found, watch)
    }

    /// A result without the token.
    fn hiding<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| match &self.settings.token {
            Some(token) => token::without(error, token),
            None => error,
        })
    }

    fn try_find(
        &self,
        repository: &Repository,
        weights: Weights,
        beside: &[&str],
        stop: &StopFlag,
    ) -> Result<Found> {
        let cache = Cache::new(&self.settings.cache, repository);
        let hub = self.settings.endpoint.as_str();
        if self.settings.offline {
            let revision = self.downloaded(repository, &cache, weights, beside)?;
            return Ok(Found {
                repository: repository.clone(),
                revision,
                license: None,
                wanted: Vec::new(),
            });
        }
        let list = self.list(repository, &cache, stop)?;
        let files = list.choose(hub, repository, weights, beside)?;
        let fetch = Fetch {
            client: &self.client,
            hub,
            repository,
            cache: &cache,
            commit: &list.commit,
        };
        let missing = files.iter().filter(|file| !cache.holds(&list.commit, file));
        let wanted: Result<Vec<Wanted>> = missing.map(|file| fetch.facts(file, stop)).collect();
        let wanted = wanted?;
        Ok(Found {
            repository: repository.clone(),
            revision: list.commit,
            license: list.license,
            wanted,
        })
    }

    fn try_fetch(&self, found: &Found, watch: &mut Watch<'_>) -> Result<Download> {
        let cache = Cache::new(&self.settings.cache, &found.repository);
        let fetch = Fetch {
            client: &self.client,
            hub: self.settings.endpoint.as_str(),
            repository: &found.repository,
            cache: &cache,
            commit: &found.revision,
        };
        let total = found.missing_bytes();
        let mut done = 0;
        for wanted in &found.wanted {
            watch.progress(Phase::Download, done, total);
            fetch.fetch(wanted, done, total, watch)?;
            done += bytes_of(wanted);
        }
        watch.progress(Phase::Download, total, total);
        if !self.settings.offline {
            cache.set_commit(&found.revision)?;
        }
        Ok(Download {
            folder: cache.snapshot(&found.revision),
            revision: found.revision.clone(),
        })
    }

    /// What the hub says is in the repository.
    fn list(&self, repository: &Repository, cache: &Cache, stop: &StopFlag) -> Result<List> {
        let hub = self.settings.endpoint.as_str();
        let address = Address::parse(&repository.list_address(hub))?;
        let json = again(stop, || {
            let answer = self.client.ask(hub, &address, None, Follow::Any, stop)?;
            if answer.status != 200 {
                let what = "its list of files";
                let error = refusal(hub, repository, what, answer.status, &answer.headers);
                return Err(match answer.status {
                    429 | 500..=599 => Trouble::Passing(error),
                    _ => Trouble::Lasting(error),
                });
            }
            answer.body(hub, "its list of files", List::MOST_BYTES, stop)
        });
        let json = json.map_err(|error| match error {
            Error::Network { url, reason } if matches!(cache.commit(), Ok(Some(_))) => {
                let reason = format!(
                    "{reason}; {repository} was downloaded before, and HF_HUB_OFFLINE=1 uses that without asking"
                );
                Error::Network { url, reason }
            }
            other => other,
        })?;
        List::read(hub, repository, &json)
    }

    /// The commit of an earlier download, if it has what is wanted.
    fn downloaded(
        &self,
        repository: &Repository,
        cache: &Cache,
        weights: Weights,
        beside: &[&str],
    ) -> Result<String> {
        let none = || Error::FileAccess {
            file: self.settings.cache.display().to_string(),
            reason: format!("{repository} was not downloaded yet, and HF_HUB_OFFLINE is set"),
        };
        let commit = cache.commit()?.ok_or_else(none)?;
        let list = List::of_files(commit.clone(), cache.files(&commit));
        let has = |weights| list.choose(&self.settings.endpoint, repository, weights, beside);
        match (has(weights), has(Weights::OrPickled)) {
            (Ok(_), _) => Ok(commit),
            (Err(error), Ok(_)) => Err(error),
            (Err(_), Err(_)) => Err(none()),
        }
    }
}
