//! What a model is trained and scored on: conversations about pictures, read from untrusted files
//! and turned into ids and labels.
//!
//! ```text
//! LLaVA's JSON, POPE's JSON lines -> Records -> Example (ids, labels) -> training
//! ```
//!
//! In: files. Out: ids and labels. It must not know of tensors, nor of how a model learns. An entry
//! that cannot be used is never passed over in silence: see [`OnBadRecord`].

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
    /// As the file names it; `#12` (counted from 0) where the file does not.
    pub id: String,
    /// The picture's path, which lies in the folder of pictures and was there when it was read.
    pub image: Option<PathBuf>,
    /// Questions with their answers, at least one; `<image>` has been taken out of the first.
    pub turns: Vec<Turn>,
    /// What kind of question each turn asks, where the file says so: as long as `turns`.
    pub families: Option<Vec<String>>,
    /// Whether each turn shows what training never shows, where the file says so.
    pub held_out: Option<Vec<bool>>,
}

/// What to do with an entry that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBadRecord {
    /// Go on without it; [`Records::skipped`] names it.
    #[default]
    Skip,
    /// Stop with [`Error::BadRecord`], which names it.
    Refuse,
}

/// A data set's entries that can be used, and the names of those that cannot.
#[derive(Debug, Clone, PartialEq)]
pub struct Records {
    /// The file they come from, for messages.
    pub file: String,
    /// In the file's order.
    pub records: Vec<Record>,
    /// Show this when reading is over, whether or not anything was skipped.
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

    /// Takes one more entry of the file, good or bad.
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
