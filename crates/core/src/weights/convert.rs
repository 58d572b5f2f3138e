//! Converts a checkpoint in the released layout to a converted model (docs/FORMAT.md), shard by
//! shard, so that at most one shard and a few rows of weights are in memory. Native only.
//!
//! Everything is written to `DST.part`, which is renamed to `DST` at the end, so that `DST` is
//! always complete. A journal inside records the finished shards, so that an interrupted conversion
//! can resume. `DST.lock` is locked meanwhile, so that no other conversion writes there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pollster::block_on;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::about::About;
use super::arrange::{Arrangement, Precision, arrange};
use super::checkpoint::Checkpoint;
use super::manifest::{HashedFile, MANIFEST_CAP, MANIFEST_FILE, Manifest, SHARD_BYTES};
use super::shards::shard_name;
use super::source::{Source as _, require_file};
use super::verify::{damage, hex};
use crate::config::CHAT_TEMPLATE_FILE;
use crate::durable::{self, beside, failed, is_temporary};
use crate::error::Result;
use crate::files;
use crate::progress::{Phase, Watch};
use crate::spec::Weight;
use crate::weights::folder::Folder;
use crate::weights::tensors::Tensors;

const JOURNAL: &str = "journal.json";

/// A conversion from a checkpoint to a folder.
pub struct Conversion<'a> {
    checkpoint: &'a Checkpoint<Folder>,
    arrangement: Arrangement,
    about: About,
    destination: PathBuf,
}

/// The finished shards, and the conversion they belong to.
#[derive(Serialize, Deserialize)]
struct Journal {
    /// The conversion's [`Conversion::identity`].
    of: String,
    shards: Vec<HashedFile>,
}

impl<'a> Conversion<'a> {
    /// Checks, before anything is written, that every tensor of `weights` (those of a whole model)
    /// exists.
    ///
    /// # Errors
    /// The errors of [`Tensors::check_all`]; [`crate::Error::Output`] if `destination` already exists.
    pub fn new(
        checkpoint: &'a Checkpoint<Folder>,
        weights: &[Weight],
        precision: Precision,
        shard_bytes: u64,
        about: About,
        destination: &Path,
    ) -> Result<Self> {
        refuse_what_is_there(destination)?;
        checkpoint.check_all(weights)?;
        Ok(Conversion {
            checkpoint,
            arrangement: arrange(weights, precision, shard_bytes)?,
            about,
            destination: destination.to_path_buf(),
        })
    }

    /// Writes the model; intact shards of an interrupted run of the same conversion are reused.
    ///
    /// # Errors
    /// [`crate::Error::Output`], [`crate::Error::FolderInUse`] while another conversion writes there,
    /// [`crate::Error::Stopped`], [`crate::Error::ModelChanged`] if the checkpoint was modified meanwhile, and
    /// errors of reading it.
    pub fn run(&self, watch: &mut Watch<'_>) -> Result<Manifest> {
        let folder = &beside(&self.destination, "part");
        // Held until the folder is renamed.
        let _lock = durable::lock(&self.destination, beside(&self.destination, "lock"))?;
        refuse_what_is_there(&self.destination)?;
        let mut journal = self.journal(folder, watch)?;
        durable::create_folder(folder)?;
        clear(folder, &journal)?;
        // The journal is written first, since it identifies the folder as this program's.
        write_journal(folder, &journal)?;
        let total: u64 = self.arrangement.shards.iter().sum();
        let mut done: u64 = journal.shards.iter().map(|shard| shard.bytes).sum();
        for shard in journal.shards.len()..self.arrangement.shards.len() {
            watch.progress(Phase::Conversion, done, total);
            watch.stop.check()?;
            let bytes = self.shard(shard)?;
            journal
                .shards
                .push(write_hashed(folder, &shard_name(shard), &bytes)?);
            write_journal(folder, &journal)?;
            done += bytes.len() as u64;
        }
        watch.progress(Phase::Conversion, total, total);

        let files = self.copy_files(folder)?;
        let manifest = self
            .about
            .manifest(files, journal.shards, &self.arrangement);
        // Shards of a checkpoint that was modified in between would not form a model.
        for source in self.checkpoint.sources() {
            source.unchanged()?;
        }
        let path = folder.join(MANIFEST_FILE);
        durable::write_file(&path, &manifest.to_json())?;
        // A shard that cannot be read back must not be recorded as finished.
        let written = files::read(&path, MANIFEST_CAP).map_err(|e| failed(&path, e))?;
        Manifest::from_json(&path.display().to_string(), &written)?;
        durable::remove_file(&folder.join(JOURNAL))?;
        durable::put_in_place(folder, &self.destination)?;
        Ok(manifest)
    }

    /// The journal of an interrupted run of this conversion, limited to intact shards; otherwise an
    /// empty one.
    fn journal(&self, folder: &Path, watch: &mut Watch<'_>) -> Result<Journal> {
        let of = self.identity()?;
        let read = files::read(&folder.join(JOURNAL), MANIFEST_CAP).ok();
        let found = read.and_then(|json| serde_json::from_slice::<Journal>(&json).ok());
        let mut shards = Vec::new();
        let Some(found) = found.filter(|found| found.of == of) else {
            return Ok(Journal { of, shards });
        };
        let total = found.shards.iter().map(|shard| shard.bytes).sum();
        let mut done = 0;
        for (index, shard) in found.shards.into_iter().enumerate() {
            watch.progress(Phase::Verification, done, total);
            watch.stop.check()?;
            let expected = self.arrangement.shards.get(index);
            let is_ours = shard.file == shard_name(index) && expected == Some(&shard.bytes);
            // A shard of the right length may still be damaged.
            if !is_ours || damage(folder, &shard)?.is_some() {
                break;
            }
            done += shard.bytes;
            shards.push(shard);
        }
        watch.progress(Phase::Verification, total, total);
        Ok(Journal { of, shards })
    }

    /// A hash of the converter's version, the tensors' places, and the state of the checkpoint's
    /// files when they were opened, so that shards of another state are not reused.
    fn identity(&self) -> Result<String> {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("{version} {:?}", self.arrangement);
        for (folder, file) in self.checkpoint.files() {
            text += &format!(" {:?} {:?}", folder.path(file), folder.state(file)?);
        }
        Ok(hex(&Sha256::digest(text.as_bytes())))
    }

    /// The bytes of a shard, made on all cores.
    fn shard(&self, shard: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.arrangement.shards[shard] as usize];
        for rows in self.arrangement.rows(shard) {
            let chunks = rows.chunks(&mut bytes)?.into_par_iter();
            chunks.try_for_each(|chunk| block_on(chunk.fill(self.checkpoint)))?;
        }
        Ok(bytes)
    }

    fn copy_files(&self, folder: &Path) -> Result<Vec<HashedFile>> {
        let mut files = Vec::new();
        // A separate tower has no files of its own for the model.
        if let Some(source) = self.checkpoint.sources().next() {
            for name in &self.about.files {
                let bytes = block_on(require_file(source, name, SHARD_BYTES))?;
                files.push(write_hashed(folder, name, &bytes)?);
            }
        }
        if let Some(template) = &self.about.chat_template {
            let template = template.as_bytes();
            files.push(write_hashed(folder, CHAT_TEMPLATE_FILE, template)?);
        }
        Ok(files)
    }
}

fn refuse_what_is_there(destination: &Path) -> Result<()> {
    match destination.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => Err(failed(
            destination,
            "it is there already; remove it, or choose another name",
        )),
    }
}

/// Removes from the unfinished folder everything except the journal's shards: partially written
/// files, and files of another conversion.
fn clear(folder: &Path, journal: &Journal) -> Result<()> {
    let of_folder = |e: std::io::Error| failed(folder, e);
    let entries = fs::read_dir(folder).map_err(of_folder)?;
    let entries = entries.collect::<Result<Vec<_>, _>>().map_err(of_folder)?;
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.file_name()).collect();
    let is_ours = [JOURNAL, MANIFEST_FILE]
        .iter()
        .any(|name| names.contains(std::ffi::OsStr::new(name)));
    let kept: BTreeSet<&str> = journal.shards.iter().map(|s| s.file.as_str()).collect();
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if kept.contains(name.as_ref()) {
            continue;
        }
        if !is_ours && !is_temporary(&name) {
            return Err(failed(
                folder,
                format!(
                    "it holds {name:?} and is no unfinished conversion; remove it, or choose another name"
                ),
            ));
        }
        let is_folder = entry.file_type().map_err(of_folder)?.is_dir();
        match is_folder {
            true => durable::remove_folder(&path)?,
            false => durable::remove_file(&path)?,
        }
    }
    Ok(())
}

fn write_hashed(folder: &Path, file: &str, bytes: &[u8]) -> Result<HashedFile> {
    durable::write_file(&folder.join(file), bytes)?;
    Ok(HashedFile {
        file: file.to_string(),
        bytes: bytes.len() as u64,
        sha256: hex(&Sha256::digest(bytes)),
    })
}

fn write_journal(folder: &Path, journal: &Journal) -> Result<()> {
    let path = folder.join(JOURNAL);
    let json = serde_json::to_vec(journal).map_err(|e| failed(&path, e))?;
    durable::write_file(&path, &json)
}
