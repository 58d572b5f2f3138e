//! Why a hub does not give something, and what to do.

use ureq::http::HeaderMap;

use super::names::text;
use super::plain::refused;
use super::repository::Repository;
use crate::error::Error;

/// The header in which a hub says what its status means.
const CODE: &str = "X-Error-Code";

/// The error for an answer with `status` to a request for `what` of `repository`. Hubs answer to strangers about
/// repositories that do not exist as about private ones.
pub(super) fn refusal(
    hub: &str,
    repository: &Repository,
    what: &str,
    status: u16,
    headers: &HeaderMap,
) -> Error {
    let code = text(hub, headers, CODE).ok().flatten().unwrap_or_default();
    let name = repository.name();
    let reason = match (code, status) {
        ("GatedRepo", _) | (_, 403) => format!(
            "{name} is gated: accept its licence at {hub}/{name}, and set HF_TOKEN to a token of the account that did"
        ),
        ("RevisionNotFound", _) => {
            format!("{name} has no revision {}", repository.revision())
        }
        (_, 401) | ("RepoNotFound", _) => format!(
            "there is no {name}, or it is private: look at how its name is spelled (owner/name), and set HF_TOKEN to a token that may read it"
        ),
        (_, 404) if repository.revision() != super::repository::BRANCH => format!(
            "there is no {what} in {name} at the revision {}; is its name right, HF_TOKEN set?",
            repository.revision()
        ),
        (_, 404) => format!(
            "there is no {what} in {name}; is its name right (owner/name), and if it is private, HF_TOKEN set?"
        ),
        (_, 429) => {
            format!("it was asked too often for {what} of {name}; try again later, or set HF_TOKEN")
        }
        _ => format!("it does not give {what} of {name}; try again later"),
    };
    refused(hub, "status", &status.to_string(), reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, status: u16, repository: &str) -> String {
        let repository = repository.parse().expect("a repository");
        let mut headers = HeaderMap::new();
        if !code.is_empty() {
            headers.insert("x-error-code", code.parse().expect("a value"));
        }
        let hub = "https://hub.example";
        refusal(hub, &repository, "its list of files", status, &headers).to_string()
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        let (plain, tagged) = ("owner/name", "owner/name@v1");
        for (code, status, repository, words) in [
            (
                "GatedRepo",
                401,
                plain,
                ["gated", "https://hub.example/owner/name"],
            ),
            ("GatedRepo", 403, plain, ["accept its licence", "HF_TOKEN"]),
            ("", 403, plain, ["accept its licence", "HF_TOKEN"]),
            ("RepoNotFound", 401, plain, ["no owner/name", "HF_TOKEN"]),
            ("RepoNotFound", 404, plain, ["no owner/name", "spelled"]),
            ("", 401, plain, ["no owner/name", "HF_TOKEN"]),
            ("", 404, plain, ["owner/name", "HF_TOKEN"]),
            ("RevisionNotFound", 404, tagged, ["owner/name has no", "v1"]),
            ("", 404, tagged, ["owner/name", "v1"]),
            ("", 429, plain, ["too often", "HF_TOKEN"]),
            ("", 503, plain, ["owner/name", "later"]),
        ] {
            let says = said(code, status, repository);
            for word in words {
                assert!(says.contains(word), "{code} {status}: {says}");
            }
        }
    }
}
