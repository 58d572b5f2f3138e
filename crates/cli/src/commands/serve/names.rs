//! Which files of a model's folder are the model's own. Nothing else in it is given to anyone: folders hold keys, drafts
//! and histories too.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::open::{Opened, open};
use inf_llava::config::{CONFIG_FILE, MODEL_FILES};
use inf_llava::foreign;
use inf_llava::weights::manifest::{MANIFEST_CAP, MANIFEST_FILE, Manifest, is_plain_name};

const INDEX_FILE: &str = "model.safetensors.index.json";
const SINGLE_FILE: &str = "model.safetensors";
const SAMPLES_FILE: &str = "samples.json";
/// What a checkpoint has beside its weights and [`MODEL_FILES`].
const OF_A_CHECKPOINT: [&str; 6] = [
    "special_tokens_map.json",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
    "USE_POLICY.md",
];
/// The page reads no more of them.
const MOST_SAMPLES: usize = 6;
/// Bytes of a list of samples; the page reads no more.
const SAMPLES_CAP: u64 = 64 << 10;
/// Endings of the pictures that a page may show.
const PICTURES: [&str; 4] = [".png", ".jpg", ".jpeg", ".webp"];

/// What is known of a file before it is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// What the manifest says: bytes, and their SHA-256 in lower-case hexadecimal digits.
    pub stated: Option<(u64, String)>,
}

/// The files of a model, by their names in its folder.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Known>);

/// When a list was changed last, and its size.
pub type Stamp = Vec<Option<(SystemTime, u64)>>;

impl Names {
    /// As they are written in the folder now. What cannot be read names nothing.
    pub fn read(folder: &Path) -> Self {
        let mut names = Names::default();
        // One of another kind, as many sites have, is no list where there is a checkpoint.
        let is_checkpoint = folder.join(CONFIG_FILE).is_file();
        let manifest = read(folder, MANIFEST_FILE, MANIFEST_CAP);
        let is_other = |json: &Vec<u8>| {
            is_checkpoint
                && foreign::json::<serde_json::Value>(json).is_ok()
                && !Manifest::is_ours(json)
        };
        match manifest.filter(|json| !is_other(json)) {
            Some(json) => {
                names.add(MANIFEST_FILE.into(), None);
                let manifest = Manifest::from_json(MANIFEST_FILE, &json);
                let files = manifest.map(|manifest| [manifest.files, manifest.shards].concat());
                for file in files.unwrap_or_default() {
                    names.add(file.file, Some((file.bytes, file.sha256)));
                }
            }
            None => {
                let beside = OF_A_CHECKPOINT.iter().chain(&MODEL_FILES);
                for name in beside.chain([&INDEX_FILE, &SINGLE_FILE]) {
                    names.add(name.to_string(), None);
                }
                let index = read(folder, INDEX_FILE, MANIFEST_CAP);
                for name in index.map(|json| shards(&json)).unwrap_or_default() {
                    names.add(name, None);
                }
            }
        }
        // For the page alone: it offers them to who has no picture at hand.
        names.add(SAMPLES_FILE.into(), None);
        let samples = read(folder, SAMPLES_FILE, SAMPLES_CAP);
        for name in samples.map(|json| pictures(&json)).unwrap_or_default() {
            names.add(name, None);
        }
        names
    }

    /// By what it is seen that they may have changed.
    pub fn stamp(folder: &Path) -> Stamp {
        let lists = [MANIFEST_FILE, INDEX_FILE, SAMPLES_FILE];
        let stamp = |name| {
            let data = folder.join(name).metadata().ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        lists.map(stamp).to_vec()
    }

    /// What is known of a file, if it is the model's.
    pub fn get(&self, name: &str) -> Option<&Known> {
        self.0.get(name)
    }

    fn add(&mut self, name: String, stated: Option<(u64, String)>) {
        self.0.entry(name).or_insert(Known { stated });
    }
}

/// The shards that an index names.
fn shards(json: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let index: Option<Index> = foreign::json(json).ok();
    let named = index
        .into_iter()
        .flat_map(|index| index.weight_map.into_values());
    named
        .filter(|name| is_plain_name(name) && name.ends_with(".safetensors"))
        .collect()
}

/// The pictures that a list of samples names: files of the folder, or of one folder in it.
fn pictures(json: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Sample {
        image: String,
    }
    let samples: Vec<Sample> = foreign::json(json).unwrap_or_default();
    let named = samples.into_iter().map(|sample| sample.image);
    named
        .filter(|name| {
            let mut parts = name.split('/');
            parts.by_ref().take(2).all(is_plain_name)
                && parts.next().is_none()
                && PICTURES.iter().any(|ending| name.ends_with(ending))
        })
        .take(MOST_SAMPLES)
        .collect()
}

/// A list, if it is there and of a size that one has.
fn read(folder: &Path, name: &str, cap: u64) -> Option<Vec<u8>> {
    let Opened { file, .. } = open(folder, name).ok()??;
    let mut bytes = Vec::new();
    file.take(cap + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= cap).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{pictures, shards};

    #[test]
    fn a_list_names_no_file_outside_and_none_of_another_kind() {
        let json = br#"{"weight_map": {"a": "a.safetensors", "b": "../b.safetensors", "c": ".c.safetensors",
            "d": "/d.safetensors", "e": "id_rsa", "f": "x/f.safetensors"}}"#;
        assert_eq!(shards(json), ["a.safetensors"]);
        assert!(shards(b"[").is_empty() && shards(b"{}").is_empty());
        let json = br#"[{"image": "samples/1.png"}, {"image": "2.jpg"}, {"image": "../1.png"}, {"image": ".a/1.png"},
            {"image": "a/b/1.png"}, {"image": "/1.png"}, {"image": "a/.png"}, {"image": "config.json"}, {"image": ""}]"#;
        assert_eq!(pictures(json), ["samples/1.png", "2.jpg"]);
        assert!(pictures(b"{}").is_empty());
    }
}
