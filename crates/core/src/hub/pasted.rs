//! Parses a repository as users write it: its name, or an address copied from the browser.
//!
//! In: the user's text. Out: a repository and its revision, or an error that says why the address cannot be used. No
//! network access.

use super::repository::{Repository, is_repository, is_revision};
use super::secret;
use crate::error::{Error, Result};
use crate::printable::quoted;

/// Host names of the hub.
const HOSTS: [&str; 3] = ["huggingface.co", "www.huggingface.co", "hf.co"];
/// What may follow the repository in an address, before a revision.
const PLACES: [&str; 6] = ["tree", "blob", "resolve", "raw", "commit", "commits"];
/// Other kinds of things with addresses on the hub.
const OTHERS: [(&str, &str); 5] = [
    ("datasets", "a data set"),
    ("spaces", "a space"),
    ("collections", "a collection"),
    ("papers", "a paper"),
    ("docs", "documentation"),
];

/// The repository in `text`: `owner/name`, `owner/name@revision`, either after `hf:`, or its address on the hub or on
/// `endpoint` (the value of `HF_ENDPOINT`). `None` if it has no such form, but looks like a path.
///
/// # Errors
/// [`Error::Option`] for an address of another host, of something other than a model, or of a part of a repository,
/// and for a revision that cannot be one.
pub fn repository(text: &str, endpoint: Option<&str>) -> Result<Option<Repository>> {
    let shown = secret::address(text);
    let text = text.trim();
    let bad = |reason: String| {
        Err(Error::Option {
            option: shown.clone(),
            reason,
        })
    };
    let path = if let Some(rest) = after_scheme(text) {
        return match named(rest, &bad)? {
            Some(found) => Ok(Some(found)),
            None => bad("it names no repository: hf: is followed by owner/name".into()),
        };
    } else if let Some((scheme, rest)) = text.split_once("://") {
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return bad("only https:// addresses of the hub are taken".into());
        }
        let path = endpoint.and_then(|endpoint| below(text, endpoint));
        match path.or_else(|| below_host(rest)) {
            Some(path) => path,
            None => {
                return bad("it is no address of the hub; models are downloaded from huggingface.co (HF_ENDPOINT names another hub). Download it, and give its folder".into());
            }
        }
    } else if let Some(path) = below_host(text) {
        path
    } else {
        return named(text, &bad);
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let other = OTHERS.iter().find(|(word, _)| parts.first() == Some(word));
    if let Some((_, what)) = other {
        return bad(format!("it is the address of {what}, not of a model"));
    }
    match in_parts(&parts, &bad)? {
        Some(found) => Ok(Some(found)),
        None => bad("it names no repository: that has an owner and a name, owner/name".into()),
    }
}

/// What follows `hf:` or `hf://`.
fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_at_checked("hf:".len())?;
    let is_hub = scheme.eq_ignore_ascii_case("hf:");
    is_hub.then(|| rest.strip_prefix("//").unwrap_or(rest))
}

/// The part after the hub's host, if it is the hub's.
fn below_host(text: &str) -> Option<&str> {
    let (host, path) = text.split_once('/').unwrap_or((text, ""));
    let host = host.to_ascii_lowercase();
    HOSTS.contains(&host.as_str()).then_some(path)
}

fn below<'a>(text: &'a str, endpoint: &str) -> Option<&'a str> {
    let endpoint = endpoint.trim().trim_end_matches('/');
    let rest = text
        .strip_prefix(endpoint)
        .filter(|_| !endpoint.is_empty())?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Parses a text without a host: only if it cannot be a path.
fn named<E: Fn(String) -> Result<Option<Repository>>>(
    text: &str,
    bad: &E,
) -> Result<Option<Repository>> {
    let text = text.trim_end_matches('/');
    // A revision may have slashes.
    if let Some((name, revision)) = text.split_once('@') {
        return match is_repository(name) {
            true => at(name, revision, bad),
            false => Ok(None),
        };
    }
    let parts: Vec<&str> = text.split('/').collect();
    let goes_on = parts.get(2).is_none_or(|place| PLACES.contains(place));
    match goes_on && !parts.contains(&"") {
        true => in_parts(&parts, bad),
        false => Ok(None),
    }
}

fn at<E: Fn(String) -> Result<Option<Repository>>>(
    name: &str,
    revision: &str,
    bad: &E,
) -> Result<Option<Repository>> {
    match is_revision(revision) {
        true => Repository::new(name, Some(revision)).map(Some),
        false => bad(format!(
            "it names the revision {}, which cannot be one: a branch, a tag or a commit has letters, digits, '-', '_' and '.', with slashes between",
            quoted(revision)
        )),
    }
}

/// Splits `owner`, `name` or `name@revision`, and the rest of an address.
fn in_parts<E: Fn(String) -> Result<Option<Repository>>>(
    parts: &[&str],
    bad: &E,
) -> Result<Option<Repository>> {
    let [owner, name, rest @ ..] = parts else {
        return Ok(None);
    };
    let (name, named) = match name.split_once('@') {
        Some((name, revision)) => (name, Some(revision)),
        None => (*name, None),
    };
    let repository = format!("{owner}/{name}");
    if !is_repository(&repository) {
        return Ok(None);
    }
    let placed = rest.first().is_some_and(|place| PLACES.contains(place));
    // The page of a folder, or of a file in it.
    let within = match rest {
        ["tree" | "commits" | "commit", _, ..] => 2,
        [_, _, ..] if placed => 3,
        _ => rest.len(),
    };
    if rest.len() > within {
        return bad(format!(
            "it names a folder in {repository}, and a model's files are at the top; download the folder, and give that"
        ));
    }
    match named.or_else(|| rest.get(1).copied().filter(|_| placed)) {
        // As the hub's addresses have it.
        Some(revision) => at(&repository, &revision.replace("%2F", "/"), bad),
        None => Repository::new(&repository, None).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Option<String>> {
        let found = repository(text, Some("https://mirror.example/hub/"));
        found.map(|found| found.map(|found| found.to_string()))
    }

    #[test]
    fn a_repository_is_known_by_its_name_and_by_every_address_that_people_copy() {
        for text in [
            "owner/na.me-1",
            "owner/na.me-1/",
            " owner/na.me-1\n",
            "owner/na.me-1@main",
            "owner/na.me-1/tree/main",
            "https://huggingface.co/owner/na.me-1",
            "http://huggingface.co/owner/na.me-1/",
            "HTTPS://HuggingFace.co/owner/na.me-1",
            "https://www.huggingface.co/owner/na.me-1?library=transformers",
            "https://huggingface.co/owner/na.me-1#usage",
            "https://huggingface.co/owner/na.me-1/tree/main",
            "https://huggingface.co/owner/na.me-1/tree/main/",
            "https://huggingface.co/owner/na.me-1/blob/main/config.json",
            "https://huggingface.co/owner/na.me-1/resolve/main/model.safetensors?download=true",
            "https://huggingface.co/owner/na.me-1/discussions",
            "https://hf.co/owner/na.me-1",
            "hf.co/owner/na.me-1",
            "huggingface.co/owner/na.me-1",
            "hf://owner/na.me-1",
            "hf://owner/na.me-1@main",
            "hf:owner/na.me-1",
            "HF:owner/na.me-1@main",
            "https://mirror.example/hub/owner/na.me-1/tree/main",
        ] {
            assert_eq!(found(text), Ok(Some("owner/na.me-1".into())), "{text}");
        }
    }

    #[test]
    fn a_revision_is_known_by_every_way_to_name_it() {
        for text in [
            "owner/name@v1.0",
            "hf:owner/name@v1.0",
            "hf://owner/name@v1.0",
            "owner/name/tree/v1.0",
            "https://huggingface.co/owner/name/tree/v1.0",
            "https://huggingface.co/owner/name/blob/v1.0/config.json",
            "https://huggingface.co/owner/name/commits/v1.0",
        ] {
            assert_eq!(found(text), Ok(Some("owner/name@v1.0".into())), "{text}");
        }
        for text in [
            "owner/name@refs/pr/5",
            "hf:owner/name@refs/pr/5",
            "https://huggingface.co/owner/name/tree/refs%2Fpr%2F5",
        ] {
            assert_eq!(
                found(text),
                Ok(Some("owner/name@refs/pr/5".into())),
                "{text}"
            );
        }
    }

    #[test]
    fn a_path_is_none() {
        for text in [
            "", "model", "./a/b", "../a", "/a/b", "a/b/c", "~/a", "C:\\a\\b", "a//b", "a/.b",
            "a b/c", "a/b/c@d", "./a@b", "a@b",
        ] {
            assert_eq!(found(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn an_address_that_names_no_model_says_why() {
        for (text, words) in [
            (
                "https://huggingface.co/owner/name/tree/..",
                ["\"..\"", "a branch, a tag or a commit"],
            ),
            ("owner/name@", ["revision", "a branch, a tag or a commit"]),
            ("owner/name@a b", ["\"a b\"", "letters"]),
            ("hf:name", ["no repository", "owner/name"]),
            ("hf://", ["no repository", "owner/name"]),
            (
                "https://huggingface.co/owner/name/tree/main/sub",
                ["folder in owner/name", "top"],
            ),
            (
                "https://huggingface.co/owner/name/resolve/main/a/b.json",
                ["folder in owner/name", "top"],
            ),
            (
                "https://huggingface.co/datasets/owner/name",
                ["data set", "not of a model"],
            ),
            (
                "https://hf.co/spaces/owner/name",
                ["space", "not of a model"],
            ),
            (
                "https://huggingface.co/gpt2",
                ["no repository", "owner/name"],
            ),
            ("https://huggingface.co/", ["no repository", "owner/name"]),
            (
                "https://github.com/owner/name",
                ["no address of the hub", "HF_ENDPOINT"],
            ),
            (
                "https://user:secret@huggingface.co/owner/name?token=secret",
                ["no address of the hub", "[...]@"],
            ),
            ("ftp://huggingface.co/owner/name", ["https://", "hub"]),
            (
                "https://mirror.example/hubs/owner/name",
                ["no address of the hub", "folder"],
            ),
        ] {
            let error = found(text).expect_err(text);
            assert!(matches!(error, Error::Option { .. }), "{error:?}");
            let message = error.to_string();
            for word in words {
                assert!(message.contains(word), "{word:?} is not in {message:?}");
            }
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
