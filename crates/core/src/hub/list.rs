//! What a hub says is in a repository: its commit, its files and its licence.
//!
//! In: the untrusted answer. Out: the files that a model needs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::plain::{check_path, commit, refused};
use super::repository::Repository;
use crate::error::Result;
use crate::weights::manifest::is_plain_name;

/// Most weights files.
const WEIGHTS_CAP: usize = 1024;
/// Longest name of a licence, in bytes.
const LICENSE_CAP: usize = 64;
/// What a hub writes for a licence that it has no name of.
const OTHER: &str = "other";

/// Which weights are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Those that a model is loaded from.
    Safetensors,
    /// Also the files that `torch.save` wrote, where there are no others: they can be converted.
    OrPickled,
}

/// A repository's files at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The commit that the revision stands for.
    pub commit: String,
    /// The licence that its card names.
    pub license: Option<String>,
    /// The files by their paths.
    pub files: BTreeMap<String, ListedFile>,
}

/// What the hub tells of a file, where it is asked for that (`blobs=true`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListedFile {
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// What changes with every byte of it: the id of its blob in git, or of the pointer to it.
    pub content: Option<String>,
}

#[derive(Deserialize)]
struct Told {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData", default)]
    card: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
}

impl List {
    /// Size limit of the answer, in bytes.
    pub const MOST_BYTES: u64 = 16 << 20;

    /// Reads what `hub` answers about `repository` at [`Repository::list_address`].
    ///
    /// # Errors
    /// [`crate::Error::Hub`] if it is no such list, or names a file outside the repository.
    pub fn read(hub: &str, repository: &Repository, json: &[u8]) -> Result<Self> {
        let told: Told = serde_json::from_slice(json).map_err(|error| {
            let text = String::from_utf8_lossy(json);
            let reason = format!("it is no list of {repository}'s files: {error}");
            refused(hub, "its answer", &text, reason)
        })?;
        let commit = commit(hub, "sha", &told.sha)?;
        for file in &told.siblings {
            check_path(hub, &file.rfilename)?;
        }
        let file = |file: Sibling| {
            let (bytes, content) = (file.size, file.blob_id);
            (file.rfilename, ListedFile { bytes, content })
        };
        Ok(List {
            commit,
            license: license(&told.card),
            files: told.siblings.into_iter().map(file).collect(),
        })
    }

    /// What was downloaded earlier.
    pub fn of_files(commit: String, files: Vec<String>) -> Self {
        let file = |file| (file, ListedFile::default());
        List {
            commit,
            license: None,
            files: files.into_iter().map(file).collect(),
        }
    }

    /// Chooses among the files: weights in safetensors, otherwise in PyTorch's format if that is wanted, and what of
    /// `beside` there is.
    ///
    /// # Errors
    /// [`crate::Error::Hub`] if there are no such weights; it says what there is instead, and what to do.
    pub fn choose(
        &self,
        hub: &str,
        repository: &Repository,
        weights: Weights,
        beside: &[&str],
    ) -> Result<Vec<String>> {
        let having = |is_weights: fn(&str) -> bool| -> Vec<String> {
            let files = self.files.keys();
            files
                .filter(|file| is_plain_name(file) && is_weights(file))
                .cloned()
                .collect()
        };
        let refuse = |count: usize, reason: String| {
            let count = format!("{count} files of weights");
            Err(refused(hub, "its list of files", &count, reason))
        };
        let mut files = having(|file| file.ends_with(".safetensors"));
        if files.is_empty() {
            files = having(|file| file.starts_with("pytorch_model") && file.ends_with(".bin"));
            if !files.is_empty() && weights == Weights::Safetensors {
                let reason = format!(
                    "{repository} has no *.safetensors, but pytorch_model*.bin, which torch.save wrote and no model is loaded from; convert it: inf-llava convert {repository} FOLDER, and give that folder"
                );
                return refuse(0, reason);
            }
        }
        if files.is_empty() || files.len() > WEIGHTS_CAP {
            let instead = match having(|file| file.ends_with(".gguf")).is_empty() {
                true => "",
                false => {
                    "; its GGUF files are not read, so take the repository that they were made from"
                }
            };
            let reason = format!(
                "{repository} must have 1 to {WEIGHTS_CAP} called *.safetensors or pytorch_model*.bin{instead}"
            );
            return refuse(files.len(), reason);
        }
        let there = beside.iter().filter(|file| self.files.contains_key(**file));
        files.extend(there.map(|file| file.to_string()));
        Ok(files)
    }
}

/// The licence that a model's card names, if it can be shown.
fn license(card: &Value) -> Option<String> {
    let named = |key: &str| card.get(key).and_then(Value::as_str);
    let license = match named("license") {
        Some(OTHER) => named("license_name").or(Some(OTHER)),
        other => other,
    }?;
    let is_word =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'+' | b' ');
    let shown = !license.is_empty() && license.len() <= LICENSE_CAP && license.bytes().all(is_word);
    shown.then(|| license.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HUB: &str = "https://hub.example";

    fn read(json: &str) -> Result<List> {
        List::read(HUB, &"owner/name".parse()?, json.as_bytes())
    }

    fn list(files: &[&str]) -> List {
        List::of_files(
            "c".into(),
            files.iter().map(|file| file.to_string()).collect(),
        )
    }

    fn chosen(files: &[&str], weights: Weights) -> std::result::Result<Vec<String>, String> {
        let repository = "owner/name".parse().expect("a repository");
        let beside = ["config.json", "LICENSE"];
        let chosen = list(files).choose(HUB, &repository, weights, &beside);
        chosen.map_err(|error| error.to_string())
    }

    #[test]
    fn safetensors_come_first() {
        let files = [
            "model.safetensors",
            "pytorch_model.bin",
            "config.json",
            "x.md",
        ];
        for weights in [Weights::Safetensors, Weights::OrPickled] {
            let wanted = ["model.safetensors", "config.json"].map(String::from);
            assert_eq!(chosen(&files, weights), Ok(wanted.to_vec()));
        }
        let below = chosen(&["onnx/model.safetensors"], Weights::OrPickled);
        assert!(below.expect_err("below").contains("*.safetensors"));
    }

    #[test]
    fn what_is_not_loaded_says_how_it_is_converted() {
        let files = ["pytorch_model.bin", "config.json"];
        let found = chosen(&files, Weights::OrPickled).expect("converted");
        assert_eq!(found, files);
        let says = chosen(&files, Weights::Safetensors).expect_err("not loaded");
        assert!(
            says.contains("inf-llava convert owner/name FOLDER"),
            "{says}"
        );
        let says = chosen(&["model.Q4_K_M.gguf"], Weights::OrPickled).expect_err("GGUF");
        assert!(says.contains("GGUF"), "{says}");
    }

    #[test]
    fn a_licence_is_a_name() {
        for (card, wanted) in [
            (json!(null), None),
            (json!({}), None),
            (json!({"license": "apache-2.0"}), Some("apache-2.0")),
            (
                json!({"license": "other", "license_name": "tongyi-qianwen-research"}),
                Some("tongyi-qianwen-research"),
            ),
            (json!({"license": "other"}), Some("other")),
            (json!({"license": ["mit"]}), None),
            (json!({"license": ""}), None),
            (json!({"license": "a\u{1b}[2J"}), None),
            (json!({"license": "x".repeat(65)}), None),
        ] {
            assert_eq!(license(&card).as_deref(), wanted, "{card}");
        }
    }

    #[test]
    fn files_have_sizes_where_the_hub_tells_them() {
        let json = r#"{"id": "owner/name", "sha": "0a1b", "gated": false, "siblings": [
            {"rfilename": "b.json", "size": 7, "blobId": "x"}, {"rfilename": "a/c.bin"}]}"#;
        let file = |bytes, content: Option<&str>| ListedFile {
            bytes,
            content: content.map(String::from),
        };
        let files = [
            ("a/c.bin", file(None, None)),
            ("b.json", file(Some(7), Some("x"))),
        ];
        let files = files.map(|(name, file)| (name.to_string(), file)).into();
        let commit = "0a1b".to_string();
        let license = None;
        let list = List {
            commit,
            license,
            files,
        };
        assert_eq!(read(json), Ok(list));
    }

    #[test]
    fn what_is_no_list_or_leads_elsewhere_is_refused() {
        for (json, word) in [
            ("", "its answer"),
            ("<!doctype html>", "doctype"),
            ("{}", "sha"),
            (r#"{"sha": "a"}"#, "siblings"),
            (r#"{"sha": "../a", "siblings": []}"#, "../a"),
            (
                r#"{"sha": "a", "siblings": [{"rfilename": "../b"}]}"#,
                "../b",
            ),
            (
                r#"{"sha": "a", "siblings": [{"rfilename": "b", "size": -1}]}"#,
                "size",
            ),
        ] {
            let error = read(json).expect_err(json);
            let message = error.to_string();
            assert!(error.code() == "hub" && message.contains(word), "{message}");
            assert!(message.contains(HUB), "{message}");
        }
    }
}
