//! Training and evaluation data: conversations about pictures, read from untrusted files and
//! converted to ids and labels.
//!
//! ```text
//! LLaVA's JSON, POPE's JSON lines -> Records -> Example (ids, labels) -> training
//! ```
//!
//! In: files. Out: ids and labels. This module must not know of tensors or of training. Entries
//! that cannot be used are always reported: see [`OnBadRecord`].

pub mod conversation;
mod examples;
mod file;
mod list;
pub mod llava;
mod merger;
pub mod pope;
mod reason;
pub mod vocabulary;

use std::path::PathBuf;

pub use conversation::{Example, IGNORE, Template, Turn};
pub use examples::Limits;
pub use reason::{Reason, Skipped};

use crate::{Error, Result};

/// One entry of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The id in the file; if it has none, `#12`, counted from 0.
    pub id: String,
    /// Path of the picture, which is inside the folder of pictures and existed when it was checked.
    pub image: Option<PathBuf>,
    /// Questions with their answers, at least one; `<image>` is removed from the first.
    pub turns: Vec<Turn>,
    /// The family of each turn's question, if the file has it: as long as `turns`.
    pub families: Option<Vec<String>>,
    /// Whether each turn is about a held-out combination, if the file has it.
    pub held_out: Option<Vec<bool>>,
}

/// How unusable entries are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadRecord {
    /// Skip the entry and list it in [`Records::skipped`].
    #[default]
    Skip,
    /// Stop with [`Error::BadRecord`], which gives the entry's id.
    Refuse,
}

/// The usable entries of a data set, and the ids of the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// The file's path, for messages.
    pub file: String,
    /// The entries, in the file's order.
    pub records: Vec<Record>,
    /// The skipped entries; show this after reading, even if it is empty.
    pub skipped: Skipped,
}

impl Records {
    fn new(file: &str) -> Self {
        Records {
            file: file.into(),
            records: Vec::new(),
            skipped: Skipped::default(),
        }
    }

    /// Adds one entry of the file, usable or not.
    fn take(
        &mut self,
        id: String,
        entry: Result<Record, Reason>,
        on_bad: OnBadRecord,
    ) -> Result<()> {
        self.skipped.total += 1;
        match entry {
            Ok(record) => self.records.push(record),
            Err(reason) => self.skip(id, reason, on_bad)?,
        }
        Ok(())
    }

    fn skip(&mut self, id: String, reason: Reason, on_bad: OnBadRecord) -> Result<()> {
        if on_bad == OnBadRecord::Refuse {
            return Err(Error::BadRecord {
                file: self.file.clone(),
                id,
                reason: reason.to_string(),
            });
        }
        self.skipped.reasons.push((id, reason));
        Ok(())
    }
}
