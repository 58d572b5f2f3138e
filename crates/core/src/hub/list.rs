//! What a hub says is in a repository: its commit, its files and its licence.
//!
//! In: the untrusted answer. Out: the files that a model needs.

use serde::Deserialize;
use serde_json::Value;

use super::names::{self, check_path, refused};
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

/// The hub's description of a repository.
#[derive(Debug)]
pub(super) struct List {
    /// The revision's commit.
    pub commit: String,
    /// The licence that its card names.
    pub license: Option<String>,
    files: Vec<String>,
}

#[derive(Deserialize)]
struct Told {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData", default)]
    card: Value,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl List {
    /// Reads the answer of the hub `hub` about `repository`.
    ///
    /// # Errors
    /// [`crate::Error::Hub`].
    pub fn read(hub: &str, repository: &Repository, json: &[u8]) -> Result<Self> {
        let told: Told = serde_json::from_slice(json).map_err(|error| {
            let text = String::from_utf8_lossy(json);
            let reason = format!("it is no list of {repository}'s files: {error}");
            refused(hub, "its answer", &text, reason)
        })?;
        let commit = names::commit(hub, "sha", &told.sha)?;
        let files: Vec<String> = told
            .siblings
            .into_iter()
            .map(|file| file.rfilename)
            .collect();
        for file in &files {
            check_path(hub, file)?;
        }
        Ok(List {
            commit,
            license: license(&told.card),
            files,
        })
    }

    /// What was downloaded earlier.
    pub fn of_files(commit: String, files: Vec<String>) -> Self {
        List {
            commit,
            license: None,
            files,
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
            let files = self.files.iter();
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
        let there = beside
            .iter()
            .filter(|file| self.files.iter().any(|other| other == *file));
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
}
