//! What a page asks before it reads a model from the hub: no network access, and plain data for JavaScript.
//!
//! In: what the page's author wrote, and the hub's list. Out: addresses, the files, and the identity of what they become.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::list::List;
use super::pasted::repository;
use super::plain::refused;
use super::repository::Repository;
use super::secret;
use crate::error::{Error, Result};
use crate::weights::arrange::Precision;
use crate::weights::manifest::is_plain_name;
use crate::weights::shards::CONVERTER;

/// Endings of the files that decide what a model becomes.
const DECIDING: [&str; 3] = [".safetensors", ".json", ".jinja"];

/// A model on the hub.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "HubPlace"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// `owner/name`.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// The address of the list of its files, with their sizes.
    pub list: String,
    /// The address that the files' names are appended to, at this revision.
    pub url: String,
}

/// The files of a model on the hub, at a commit.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "HubFolder"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Folder {
    /// The commit.
    pub commit: String,
    /// The address that the files' names are appended to.
    pub url: String,
    /// 64 hexadecimal digits, which change with the files that decide what the model becomes, and with its precision. A
    /// new commit with the same files has the same.
    pub contents: String,
    /// The same, and they change with the converter: of what is not complete.
    pub identity: String,
    /// The files at its top.
    pub files: Vec<FolderFile>,
}

/// A file of a model on the hub.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "HubFile"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FolderFile {
    /// Its name.
    pub file: String,
    /// Its size in bytes; null if the hub does not tell it.
    pub bytes: Option<u64>,
}

/// The model that `text` names (as [`repository`]) at `hub`; none if it is an address or a path of something else.
///
/// # Errors
/// The errors of [`repository`]; [`Error::Option`] if `hub` is no address of a hub.
pub fn find(text: &str, hub: &str) -> Result<Option<Found>> {
    let hub = hub_address(hub)?;
    let found = repository(text, Some(&hub))?;
    Ok(found.map(|found| Found {
        list: format!("{}?blobs=true", found.list_address(&hub)),
        url: found.folder_address(&hub),
        repository: found.name().into(),
        revision: found.revision().into(),
    }))
}

/// What `hub` answered at [`Found::list`] for `repository`.
///
/// # Errors
/// [`Error::Hub`] if it is no such list, or not one of a model; [`Error::Option`] for invalid names.
pub fn folder(hub: &str, repository: &str, json: &[u8], precision: Precision) -> Result<Folder> {
    let hub = hub_address(hub)?;
    let listed = List::read(&hub, &Repository::new(repository, None)?, json)?;
    let place = Repository::new(repository, Some(&listed.commit))?;
    let on_top = || listed.files.iter().filter(|(file, _)| is_plain_name(file));
    if on_top().next().is_none() {
        let reason = format!("{repository} has no files at its top, where a model's files are");
        return Err(refused(&hub, "its list of files", "empty", reason));
    }
    // The hub is a part of it: another one, which may name the same contents, is believed about its own models only.
    let mut text = format!("{} {hub:?}\n", precision.name());
    let deciding = on_top().filter(|(file, _)| DECIDING.iter().any(|end| file.ends_with(end)));
    let contents = deciding.map(|(file, about)| Some((file, about.content.as_ref()?)));
    match contents.collect::<Option<Vec<_>>>() {
        Some(contents) => {
            for (file, content) in contents {
                text += &format!("{file:?} {content:?}\n");
            }
        }
        None => text += &format!("{repository:?} {:?}\n", listed.commit),
    }
    let files = on_top().map(|(file, about)| FolderFile {
        file: file.clone(),
        bytes: about.bytes,
    });
    Ok(Folder {
        url: place.folder_address(&hub),
        contents: digits(&text),
        identity: digits(&format!("{CONVERTER} {text}")),
        files: files.collect(),
        commit: listed.commit,
    })
}

/// Checks the address of a hub that a page's author has chosen; it is returned without a slash at its end.
///
/// # Errors
/// [`Error::Option`] if it is no http or https address that ends with its path, or has a user's name in it.
fn hub_address(text: &str) -> Result<String> {
    let refuse = |reason: &str| Error::Option {
        option: format!("hub {}", secret::address(text)),
        reason: reason.into(),
    };
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if !matches!(scheme, "http" | "https") {
        return Err(refuse("a hub's address begins with https:// or http://"));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err(refuse("it must name a host, and no user"));
    }
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\');
    if !text.chars().all(is_plain) {
        return Err(refuse(
            "a hub's address must end with its path; leave out '?' and '#' and what follows",
        ));
    }
    Ok(text.trim_end_matches('/').into())
}

fn digits(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HUB: &str = "https://hub.example/";

    fn list(sha: &str, files: &[(&str, Value, Value)]) -> Vec<u8> {
        let sibling = |(name, size, blob): &(&str, Value, Value)| json!({"rfilename": name, "size": size, "blobId": blob});
        let siblings: Vec<Value> = files.iter().map(sibling).collect();
        json!({"sha": sha, "siblings": siblings})
            .to_string()
            .into_bytes()
    }

    fn files(weights: &str, card: &str) -> Vec<(&'static str, Value, Value)> {
        vec![
            ("README.md", json!(10), json!(card)),
            ("config.json", json!(20), json!("c1")),
            ("model.safetensors", json!(30_000), json!(weights)),
            ("onnx/model.onnx", json!(40), json!("o1")),
        ]
    }

    fn read(hub: &str, json: &[u8], precision: Precision) -> Folder {
        folder(hub, "owner/name", json, precision).expect("a folder")
    }

    #[test]
    fn a_model_is_found_by_what_people_write() {
        let found = find("hf:owner/name@v1", HUB).expect("a name").expect("one");
        let expected = Found {
            repository: "owner/name".into(),
            revision: "v1".into(),
            list: "https://hub.example/api/models/owner/name/revision/v1?blobs=true".into(),
            url: "https://hub.example/owner/name/resolve/v1/".into(),
        };
        assert_eq!(found, expected);
        assert_eq!(
            find("https://hub.example/owner/name/tree/v1", HUB),
            Ok(Some(expected))
        );
        assert_eq!(find("./owner/name/", HUB), Ok(None));
        assert!(find("owner/name", "ftp://hub").is_err());
        assert!(find("https://hub.example/datasets/owner/name", HUB).is_err());
    }

    #[test]
    fn the_files_at_the_top_are_the_models() {
        let folder = read(HUB, &list("0a1b", &files("w1", "r1")), Precision::Q4);
        assert_eq!(folder.commit, "0a1b");
        assert_eq!(folder.url, "https://hub.example/owner/name/resolve/0a1b/");
        let names: Vec<&str> = folder.files.iter().map(|file| file.file.as_str()).collect();
        assert_eq!(names, ["README.md", "config.json", "model.safetensors"]);
        assert_eq!(folder.files[2].bytes, Some(30_000));
        assert_eq!((folder.identity.len(), folder.contents.len()), (64, 64));
        assert_ne!(folder.identity, folder.contents);
        let empty = list("0a1b", &files("w", "r")[3..]);
        let error = super::folder(HUB, "owner/name", &empty, Precision::Q4).expect_err("none");
        assert_eq!(error.code(), "hub");
    }

    /// So that nothing is downloaded again for a new commit that changes the card only, and nothing kept is taken for what
    /// another hub, quantisation or repository would give.
    #[test]
    fn an_identity_changes_with_what_decides_and_with_nothing_else() {
        let of = |sha: &str, weights: &str, card: &str| {
            read(HUB, &list(sha, &files(weights, card)), Precision::Q4).contents
        };
        let first = of("0a1b", "w1", "r1");
        assert_eq!(
            of("2c3d", "w1", "r2"),
            first,
            "another commit, and another card"
        );
        assert_ne!(of("0a1b", "w2", "r1"), first, "other weights");
        let same = list("0a1b", &files("w1", "r1"));
        assert_ne!(
            read("https://evil.example", &same, Precision::Q4).contents,
            first
        );
        assert_ne!(read(HUB, &same, Precision::Q8).contents, first);
        // Without contents it is the commit's.
        let untold = |sha: &str, repository: &str| {
            let mut files = files("w1", "r1");
            files[2].2 = Value::Null;
            let json = list(sha, &files);
            folder(HUB, repository, &json, Precision::Q4)
                .expect("a folder")
                .contents
        };
        assert_eq!(untold("0a1b", "owner/name"), untold("0a1b", "owner/name"));
        assert_ne!(untold("0a1b", "owner/name"), first);
        assert_ne!(untold("0a1b", "owner/name"), untold("2c3d", "owner/name"));
        assert_ne!(untold("0a1b", "owner/name"), untold("0a1b", "owner/other"));
    }

    #[test]
    fn a_hub_is_an_address_that_ends_with_its_path() {
        for (text, hub) in [
            ("https://huggingface.co", "https://huggingface.co"),
            ("http://127.0.0.1:8080/hub//", "http://127.0.0.1:8080/hub"),
        ] {
            assert_eq!(hub_address(text).as_deref(), Ok(hub));
        }
        for text in [
            "",
            "huggingface.co",
            "ftp://hub.example",
            "https://",
            "https:///a",
            "https://user:secret@hub.example",
            "https://hub.example?token=secret",
            "https://hub.example/#secret",
            "https://hub.example/a b",
            "https://hub.example\\a",
        ] {
            let error = hub_address(text).expect_err(text).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
