//! A repository on a hub, and one of its revisions.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::weights::manifest::is_plain_name;

/// The revision that is meant if none is named.
pub(super) const BRANCH: &str = "main";
/// Longest revision, in bytes.
const REVISION_CAP: usize = 128;
/// Digits of a commit.
const COMMIT_DIGITS: usize = 40;

/// A repository and its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`, both of which are plain.
    pub(super) name: String,
    /// A branch, a tag or a commit: plain names with slashes between them.
    pub(super) revision: String,
}

impl Repository {
    /// The repository `name` (`owner/name`), at its branch `main` if `revision` is none.
    ///
    /// # Errors
    /// [`Error::Option`] if either is no such name.
    pub fn new(name: &str, revision: Option<&str>) -> Result<Self> {
        let bad = |option: &str, reason: &str| {
            Err(Error::Option {
                option: option.into(),
                reason: reason.into(),
            })
        };
        let revision = revision.unwrap_or(BRANCH);
        if !is_repository(name) {
            return bad(name, "a repository is called owner/name");
        }
        if !is_revision(revision) {
            let reason = "a revision is a branch, a tag or a commit: letters, digits, '-', '_' and '.', with slashes between";
            return bad(revision, reason);
        }
        Ok(Repository {
            name: name.into(),
            revision: revision.into(),
        })
    }

    /// `owner/name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether the revision has the form of a commit, which never becomes another one.
    pub fn is_commit(&self) -> bool {
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        self.revision.len() == COMMIT_DIGITS && self.revision.bytes().all(is_digit)
    }

    /// The address of the list of its files at `hub`, an address without a slash at its end.
    pub fn list_address(&self, hub: &str) -> String {
        let (name, revision) = (&self.name, self.escaped_revision());
        format!("{hub}/api/models/{name}/revision/{revision}")
    }

    /// The address of the folder of its files at `hub`, with a slash at its end.
    pub fn folder_address(&self, hub: &str) -> String {
        let (name, revision) = (&self.name, self.escaped_revision());
        format!("{hub}/{name}/resolve/{revision}/")
    }

    /// The revision as one part of an address.
    fn escaped_revision(&self) -> String {
        self.revision.replace('/', "%2F")
    }
}

/// `owner/name`, and `@revision` if it is not the branch `main`.
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.revision.as_str() {
            BRANCH => Ok(()),
            other => write!(f, "@{other}"),
        }
    }
}

/// `owner/name` or `owner/name@revision`.
impl FromStr for Repository {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('@') {
            Some((name, revision)) => Repository::new(name, Some(revision)),
            None => Repository::new(text, None),
        }
    }
}

/// Whether `name` has the form of a repository: `owner/name`.
pub fn is_repository(name: &str) -> bool {
    let mut parts = name.split('/');
    let is_plain = |part: Option<&str>| part.is_some_and(is_plain_name);
    is_plain(parts.next()) && is_plain(parts.next()) && parts.next().is_none()
}

/// Whether `text` has the form of a revision. None of its parts is hidden, or `..`.
pub(super) fn is_revision(text: &str) -> bool {
    text.len() <= REVISION_CAP && text.split('/').all(is_plain_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_revisions_are_plain() {
        let told = |text: &str| text.parse::<Repository>().map(|found| found.to_string());
        for (text, name) in [
            ("owner/na.me-1", "owner/na.me-1"),
            ("owner/name@main", "owner/name"),
            ("owner/name@v1.0", "owner/name@v1.0"),
            ("owner/name@refs/pr/5", "owner/name@refs/pr/5"),
        ] {
            assert_eq!(told(text).as_deref(), Ok(name), "{text}");
        }
        let long = format!("owner/name@{}", "a".repeat(REVISION_CAP + 1));
        for text in [
            "",
            "owner",
            "a/b/c",
            "owner/../name",
            "owner/name@",
            "owner/name@..",
            "owner/name@a/../b",
            "owner/name@/a",
            "owner/name@a/",
            "owner/name@.a",
            "owner/name@a b",
            "owner/name@a\n",
            "owner/name@a@b",
            long.as_str(),
        ] {
            assert!(told(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_commit_is_told_from_a_branch() {
        let at = |revision: &str| Repository::new("owner/name", Some(revision)).expect("plain");
        assert!(at(&"0a".repeat(20)).is_commit());
        for revision in ["main", "v1", &"0A".repeat(20), &"0a".repeat(19)] {
            assert!(!at(revision).is_commit(), "{revision}");
        }
    }

    #[test]
    fn names_stay_in_their_places_of_an_address() {
        let repository = Repository::new("owner/na.me-1", Some("refs/pr/1")).expect("plain");
        assert_eq!(
            repository.list_address("https://hub.example/x"),
            "https://hub.example/x/api/models/owner/na.me-1/revision/refs%2Fpr%2F1"
        );
        assert_eq!(
            repository.folder_address("https://hub.example"),
            "https://hub.example/owner/na.me-1/resolve/refs%2Fpr%2F1/"
        );
    }
}
