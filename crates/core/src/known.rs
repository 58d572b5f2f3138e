//! The models that are known by name: where they are, their licences, and what they take.
//!
//! In: `models.json`, a part of the program. Out: its entries, typed, smallest first. Nothing here decides whether a
//! model can be loaded: its files do.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

const MODELS: &str = include_str!("models.json");
/// A name longer than this is none of the table.
const NAME_CAP: usize = 256;

/// A known model.
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "KnownModel"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// What people call it.
    pub name: String,
    /// The short name that `--model` takes.
    pub short: String,
    /// Its repository on the Hugging Face hub, owner/name; null: it is a part of the program.
    pub id: Option<String>,
    /// The branch or commit of the repository.
    pub revision: String,
    /// The licence of the weights: SPDX's identifier, or else its name.
    pub license: String,
    /// What it is good for, in a few words.
    pub good_for: String,
    /// Number of parameters in its files.
    pub parameters: u64,
    /// Bytes of the weights as published, which are downloaded.
    pub published_bytes: u64,
    /// Bytes of the weights converted to 4 bits, which are kept; of the model in the program, as published.
    pub kept_bytes: u64,
    /// Bytes of memory, converted to 4 bits: weights, a conversation of 4096 tokens or of as many as the model
    /// knows, and intermediate results. Of the model in the program, in floats.
    pub memory_bytes: u64,
    /// Visual tokens of a photograph by how closely it is looked at.
    pub detail: DetailTokens,
    /// Whether it sees videos.
    pub video: bool,
    /// The most pictures of a conversation; null: as many as its context holds.
    pub most_pictures: Option<usize>,
}

/// Visual tokens of a photograph of 4000 x 3000 pixels, the only one of its conversation.
#[cfg_attr(test, derive(ts_rs::TS))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailTokens {
    /// As few as the model can do with.
    pub low: usize,
    /// As the model was released.
    pub auto: usize,
    /// As many as the model takes.
    pub high: usize,
}

/// All of them, smallest first.
pub fn all() -> &'static [Known] {
    static ALL: OnceLock<Vec<Known>> = OnceLock::new();
    // A test reads the file, which is a part of the program.
    ALL.get_or_init(|| serde_json::from_str(MODELS).unwrap_or_default())
}

impl Known {
    /// The model with this short name or repository (`owner/name`), in upper or lower case.
    pub fn find(name: &str) -> Option<&'static Known> {
        let name = name.trim();
        let is_it = |known: &&Known| {
            let names = [Some(&known.short), known.id.as_ref()];
            let mut names = names.into_iter().flatten();
            names.any(|other| other.eq_ignore_ascii_case(name))
        };
        all().iter().find(is_it).filter(|_| name.len() <= NAME_CAP)
    }

    /// Whether it can run in `bytes` of memory once it is converted to 4 bits.
    pub fn fits(&self, bytes: u64) -> bool {
        self.memory_bytes <= bytes
    }
}

/// The table of `models` for a terminal of 100 columns.
pub fn lines(models: &[Known]) -> Vec<String> {
    let row = |[short, license, download, kept, memory, detail]: [&str; 6]| {
        format!("{short:21} {license:23} {download:>8} {kept:>8} {memory:>8}  {detail}")
    };
    let head = [
        "NAME",
        "LICENCE",
        "DOWNLOAD",
        "4 BITS",
        "MEMORY",
        "PICTURE TOKENS",
    ];
    let mut lines = vec![row(head)];
    for known in models {
        let (download, kept) = match known.id {
            Some(_) => (told(known.published_bytes), told(known.kept_bytes)),
            None => ("none".into(), "-".into()),
        };
        let DetailTokens { low, auto, high } = known.detail;
        lines.push(row([
            &known.short,
            &known.license,
            &download,
            &kept,
            &told(known.memory_bytes),
            &match low == auto && auto == high {
                true => auto.to_string(),
                false => format!("{low}, {auto}, {high}"),
            },
        ]));
        let id = known.id.as_deref().unwrap_or("in this program");
        lines.push(format!("  {id}: {}", known.good_for));
    }
    lines
}

/// A number of bytes with its unit: "513 MB", "2.0 GB".
pub fn told(bytes: u64) -> String {
    let (unit, size) = match bytes {
        0..1_000_000 => ("kB", 1e3),
        1_000_000..1_000_000_000 => ("MB", 1e6),
        _ => ("GB", 1e9),
    };
    let number = bytes as f64 / size;
    let digits = usize::from(number < 9.95);
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Known, MODELS, all, lines, told};

    #[test]
    fn the_table_is_read_whole_and_smallest_first() {
        let read: Vec<Known> = serde_json::from_str(MODELS).expect("the table");
        assert_eq!(read, all());
        assert_eq!(all().len(), 12);
        assert!(all().is_sorted_by_key(|known| known.kept_bytes));
        let names: BTreeSet<&str> = all().iter().map(|known| known.short.as_str()).collect();
        assert_eq!(names.len(), all().len(), "names are told apart");
        for known in all() {
            assert!(!known.name.is_empty() && !known.license.is_empty());
            assert!(!known.short.contains(['/', '@', ':', ' ']), "{known:?}");
            assert!(known.detail.low <= known.detail.auto, "{known:?}");
            assert!(known.detail.auto <= known.detail.high, "{known:?}");
        }
    }

    #[test]
    fn a_model_is_found_by_either_name() {
        let name = |text: &str| Known::find(text).map(|known| known.name.as_str());
        let smol = Some("SmolVLM2 500M");
        assert_eq!(name("smolvlm2-500m"), smol);
        assert_eq!(name(" SmolVLM2-500M\n"), smol);
        assert_eq!(name("HuggingFaceTB/SmolVLM2-500M-Video-Instruct"), smol);
        assert_eq!(name("huggingfacetb/smolvlm2-500m-video-instruct"), smol);
        for text in [
            "",
            "smolvlm",
            "other/SmolVLM2-500M-Video-Instruct",
            "./demo",
        ] {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn what_fits_is_told_by_memory() {
        let fitting = |bytes| all().iter().filter(|known| known.fits(bytes)).count();
        assert_eq!(fitting(0), 0);
        assert_eq!(fitting(u64::MAX), all().len());
        let known = Known::find("smolvlm2-500m").expect("known");
        assert!(known.fits(known.memory_bytes) && !known.fits(known.memory_bytes - 1));
    }

    #[test]
    fn the_table_fits_a_terminal() {
        let lines = lines(all());
        assert_eq!(lines.len(), 1 + 2 * all().len());
        for line in &lines {
            let columns = line.chars().count();
            assert!(columns <= 100, "{columns} columns: {line}");
            assert_eq!(line.trim_end(), line);
        }
        // Under their heads, whatever the length of what stands before them.
        let end = lines[0].find("MEMORY").expect("a head") + "MEMORY".len();
        for line in lines[1..].iter().step_by(2) {
            let (before, after) = line.split_at(end);
            assert!(before.ends_with('B') && after.starts_with("  "), "{line}");
        }
    }

    #[test]
    fn sizes_are_told_as_people_say_them() {
        let sizes = [
            48_000,
            4_402_720,
            512_969_856,
            999_999_999,
            2_029_929_216,
            9_949_999_999,
            14_126_854_144,
        ];
        let said = sizes.map(told);
        assert_eq!(
            said,
            [
                "48 kB", "4.4 MB", "513 MB", "1000 MB", "2.0 GB", "9.9 GB", "14 GB"
            ]
        );
    }
}
