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
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::arrange::{Arrangement, Precision, arrange};
use super::checkpoint::Checkpoint;
use super::manifest::{
    Dtype, FORMAT, HashedFile, MANIFEST_CAP, MANIFEST_FILE, Manifest, SHARD_BYTES, Stored, VERSION,
};
use super::source::Source as _;
use super::verify::{damage, hex};
use crate::config::CHAT_TEMPLATE_FILE;
use crate::durable::{self, beside, failed, is_temporary};
use crate::error::{Error, Result};
use crate::files;
use crate::progress::{Phase, Watch};
use crate::quant::{BLOCK, Quant};
use crate::spec::Weight;
use crate::weights::folder::Folder;
use crate::weights::tensors::Tensors;

/// Numbers that a thread reads at once: 4 MiB in f32.
const CHUNK: usize = 1 << 20;
const JOURNAL: &str = "journal.json";

/// The manifest's contents besides the tensors.
#[derive(Debug, Clone)]
pub struct About {
    /// The model's display name.
    pub name: String,
    /// The checkpoint's revision.
    pub revision: String,
    /// The licence of the weights.
    pub license: String,
    /// The contents of config.json.
    pub config: Value,
    /// The contents of generation_config.json.
    pub generation: Value,
    /// Tokenizer, licence, model card: copied, and listed in the manifest.
    pub files: Vec<PathBuf>,
    /// The chat template, wherever it was: written as chat_template.jinja, and named in the manifest.
    pub chat_template: Option<String>,
}

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
    /// The errors of [`Tensors::check_all`]; [`Error::Output`] if `destination` already exists.
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
    /// [`Error::Output`], [`Error::FolderInUse`] while another conversion writes there,
    /// [`Error::Stopped`], [`Error::ModelChanged`] if the checkpoint was modified meanwhile, and
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

        let manifest = Manifest {
            format: FORMAT.into(),
            version: VERSION,
            name: self.about.name.clone(),
            revision: self.about.revision.clone(),
            license: self.about.license.clone(),
            config: self.about.config.clone(),
            generation: self.about.generation.clone(),
            prompt: "llama3".into(),
            files: self.copy_files(folder)?,
            shards: journal.shards,
            tensors: self.arrangement.tensors.clone(),
        };
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

    /// The bytes of a shard.
    fn shard(&self, shard: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.arrangement.shards[shard] as usize];
        for (name, stored) in &self.arrangement.tensors {
            let mut first = 0;
            for piece in &stored.pieces {
                if piece.shard == shard {
                    let rows = Rows {
                        checkpoint: self.checkpoint,
                        name,
                        stored,
                        first,
                        count: piece.rows,
                    };
                    let size = stored.dtype.bytes(piece.rows, &stored.shape[1..])?;
                    rows.write(&mut bytes[piece.offset as usize..][..size as usize])?;
                }
                first += piece.rows;
            }
        }
        Ok(bytes)
    }

    fn copy_files(&self, folder: &Path) -> Result<Vec<HashedFile>> {
        let mut files = Vec::new();
        for path in &self.about.files {
            let bytes = files::read(path, SHARD_BYTES).map_err(|e| Error::FileAccess {
                file: path.display().to_string(),
                reason: e.to_string(),
            })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push(write_hashed(folder, &name, &bytes)?);
        }
        if let Some(template) = &self.about.chat_template {
            let template = template.as_bytes();
            files.push(write_hashed(folder, CHAT_TEMPLATE_FILE, template)?);
        }
        Ok(files)
    }
}

/// Rows of a tensor: `count` rows, starting at `first`.
struct Rows<'a> {
    checkpoint: &'a Checkpoint<Folder>,
    name: &'a str,
    stored: &'a Stored,
    first: usize,
    count: usize,
}

impl Rows<'_> {
    /// Converts the rows to `bytes`, whose length matches, on all cores.
    fn write(&self, bytes: &mut [u8]) -> Result<()> {
        let columns: usize = self.stored.shape[1..].iter().product();
        let step = (CHUNK / columns).max(1);
        match self.stored.dtype.quant() {
            Some(quant) => self.write_quantised(quant, columns, step, bytes),
            None => {
                let row_bytes = columns
                    * if self.stored.dtype == Dtype::F32 {
                        4
                    } else {
                        2
                    };
                let chunks = bytes.par_chunks_mut(step * row_bytes).enumerate();
                chunks.try_for_each(|(at, bytes)| {
                    let values = self.read(at * step, bytes.len() / row_bytes)?;
                    self.write_floats(&values, bytes)
                })
            }
        }
    }

    fn write_quantised(
        &self,
        quant: Quant,
        columns: usize,
        step: usize,
        bytes: &mut [u8],
    ) -> Result<()> {
        let blocks = columns / BLOCK;
        let code_bytes = blocks * quant.block_bytes();
        let layout = quant.layout(self.count, columns)?;
        let (codes, rest) = bytes.split_at_mut(layout.codes);
        let (block_scales, row_scales) = rest.split_at_mut(layout.block_scales);
        let chunks = codes
            .par_chunks_mut(step * code_bytes)
            .zip(block_scales[..self.count * blocks].par_chunks_mut(step * blocks))
            .zip(row_scales.par_chunks_mut(step * 4));
        chunks
            .enumerate()
            .try_for_each(|(at, ((codes, block_scales), row_scales))| {
                let values = self.read(at * step, row_scales.len() / 4)?;
                quant.quantize_into(&values, columns, codes, block_scales, row_scales);
                Ok(())
            })
    }

    /// Reads `count` rows, starting `from` rows after the first.
    fn read(&self, from: usize, count: usize) -> Result<Vec<f32>> {
        let start = self.first + from;
        let rows = start..start + count;
        block_on(
            self.checkpoint
                .read_rows(self.name, &self.stored.shape, rows),
        )
    }

    fn write_floats(&self, values: &[f32], bytes: &mut [u8]) -> Result<()> {
        if self.stored.dtype == Dtype::F32 {
            bytes.copy_from_slice(bytemuck::cast_slice(values));
            return Ok(());
        }
        for (bytes, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
            let half = half::f16::from_f32(*value);
            if !half.is_finite() {
                return Err(Error::Quantised {
                    reason: format!("tensor {}: {value} is too large for f16", self.name),
                });
            }
            *bytes = half.to_le_bytes();
        }
        Ok(())
    }
}

fn shard_name(index: usize) -> String {
    format!("shard-{:05}.bin", index + 1)
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
