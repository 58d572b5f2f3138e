//! A checkpoint in the released layout -> a converted model (docs/FORMAT.md), shard by shard, so that no
//! step holds more than a shard and a few rows of weights. Natively only.
//!
//! Everything is written to `DST.part`, which becomes `DST` at the end: what is there under that name
//! is whole. A journal in it says which shards are done, so that a conversion that was stopped goes on.

use std::fs;
use std::path::{Path, PathBuf};

use pollster::block_on;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Tensors;
use super::arrange::{Arrangement, Precision, arrange};
use super::checkpoint::Checkpoint;
use super::manifest::{Dtype, FORMAT, HashedFile, MANIFEST_FILE, Manifest, Stored, VERSION};
use super::names::Names;
use super::quantize::{BLOCK, Quant};
use super::source::Folder;
use super::verify::hex;
use crate::error::{Error, Result};
use crate::progress::{Phase, Watch};

/// Tensors that a thread reads at once: 4 MiB in f32.
const CHUNK: usize = 1 << 20;
const JOURNAL: &str = "journal.json";

/// What the manifest says beside the tensors.
#[derive(Debug, Clone)]
pub struct About {
    /// What people call the model.
    pub name: String,
    /// Of the checkpoint.
    pub revision: String,
    /// Under which the weights may be used.
    pub license: String,
    /// config.json.
    pub config: Value,
    /// generation_config.json.
    pub generation: Value,
    /// Tokenizer, licence, model card: copied, and named in the manifest.
    pub files: Vec<PathBuf>,
}

/// What is to be converted.
pub struct Conversion<'a> {
    checkpoint: &'a Checkpoint<Folder>,
    arrangement: Arrangement,
    about: About,
    destination: PathBuf,
}

/// The shards that are done, and of what.
#[derive(Serialize, Deserialize)]
struct Journal {
    /// See [`Conversion::identity`].
    of: String,
    shards: Vec<HashedFile>,
}

impl<'a> Conversion<'a> {
    /// Checks that every tensor of `names` is there, before anything is written.
    ///
    /// # Errors
    /// As [`Checkpoint::check`]; [`Error::Output`] if there is something at `destination`.
    pub fn new(
        checkpoint: &'a Checkpoint<Folder>,
        names: &Names,
        precision: Precision,
        shard_bytes: u64,
        about: About,
        destination: &Path,
    ) -> Result<Self> {
        if destination.exists() {
            return Err(failed(destination)(
                "it is there already; remove it, or choose another name",
            ));
        }
        for (name, shape) in names {
            checkpoint.check(name, shape)?;
        }
        Ok(Conversion {
            checkpoint,
            arrangement: arrange(names, precision, shard_bytes)?,
            about,
            destination: destination.to_path_buf(),
        })
    }

    /// Writes the model; what an earlier run of the same conversion did is kept.
    ///
    /// # Errors
    /// [`Error::Output`], [`Error::Stopped`], and what reading the checkpoint fails with.
    pub fn run(&self, watch: &mut Watch<'_>) -> Result<Manifest> {
        let folder = self.unfinished();
        fs::create_dir_all(&folder).map_err(|e| failed(&folder)(&e.to_string()))?;
        let mut journal = self.journal(&folder);
        let total: u64 = self.arrangement.shards.iter().sum();
        let mut done: u64 = journal.shards.iter().map(|shard| shard.bytes).sum();
        for shard in journal.shards.len()..self.arrangement.shards.len() {
            watch.progress(Phase::Conversion, done, total);
            watch.stop.check()?;
            let bytes = self.shard(shard)?;
            let file = format!("shard-{:05}.bin", shard + 1);
            journal.shards.push(write_hashed(&folder, &file, &bytes)?);
            write(&folder.join(JOURNAL), &to_json(&journal)?)?;
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
            files: self.copy_files(&folder)?,
            shards: journal.shards,
            tensors: self.arrangement.tensors.clone(),
        };
        let path = folder.join(MANIFEST_FILE);
        write(&path, &manifest.to_json())?;
        // What cannot be read must not be called done.
        let written = fs::read(&path).map_err(|e| failed(&path)(&e.to_string()))?;
        Manifest::from_json(&path.display().to_string(), &written)?;
        let journal = folder.join(JOURNAL);
        fs::remove_file(&journal).map_err(|e| failed(&journal)(&e.to_string()))?;
        fs::rename(&folder, &self.destination)
            .map_err(|e| failed(&self.destination)(&e.to_string()))?;
        Ok(manifest)
    }

    /// Where it is written until it is whole.
    fn unfinished(&self) -> PathBuf {
        let mut path = self.destination.clone().into_os_string();
        path.push(".part");
        PathBuf::from(path)
    }

    /// The journal of an earlier run of this conversion, as far as its shards are there; else an empty one.
    fn journal(&self, folder: &Path) -> Journal {
        let of = self.identity();
        let read = fs::read(folder.join(JOURNAL)).ok();
        let found = read.and_then(|json| serde_json::from_slice::<Journal>(&json).ok());
        let is_there = |shard: &HashedFile| {
            let found = fs::metadata(folder.join(&shard.file));
            found.is_ok_and(|found| found.len() == shard.bytes)
        };
        let shards = match found {
            Some(journal) if journal.of == of => {
                journal.shards.into_iter().take_while(is_there).collect()
            }
            _ => Vec::new(),
        };
        Journal { of, shards }
    }

    /// Of the tensors' places and of the checkpoint's files as they are now: shards of an older state must
    /// not be mixed with those of this one.
    fn identity(&self) -> String {
        let files = self.checkpoint.files().map(|(folder, file)| {
            let path = folder.path(file);
            let found = fs::metadata(&path).ok();
            let state = found.map(|found| (found.len(), found.modified().ok()));
            format!("{path:?} {state:?}")
        });
        let files: Vec<String> = files.collect();
        let text = format!("{:?} {files:?}", self.arrangement);
        hex(&Sha256::digest(text.as_bytes()))
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
            let bytes = fs::read(path).map_err(|e| Error::FileAccess {
                file: path.display().to_string(),
                reason: e.to_string(),
            })?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files.push(write_hashed(folder, &name, &bytes)?);
        }
        Ok(files)
    }
}

/// `count` rows of a tensor from `first` on.
struct Rows<'a> {
    checkpoint: &'a Checkpoint<Folder>,
    name: &'a str,
    stored: &'a Stored,
    first: usize,
    count: usize,
}

impl Rows<'_> {
    /// Fills `bytes`, which have room for them, on all cores.
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

    /// `count` rows, `from` rows behind the first.
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

fn failed(path: &Path) -> impl Fn(&str) -> Error {
    let file = path.display().to_string();
    move |reason| Error::Output {
        file: file.clone(),
        reason: reason.to_string(),
    }
}

/// Writes a file whole: under another name first, on the disk before it is renamed.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let part = path.with_extension("tmp");
    let written = fs::File::create(&part).and_then(|mut file| {
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    written
        .and_then(|()| fs::rename(&part, path))
        .map_err(|e| failed(path)(&e.to_string()))
}

fn write_hashed(folder: &Path, file: &str, bytes: &[u8]) -> Result<HashedFile> {
    write(&folder.join(file), bytes)?;
    Ok(HashedFile {
        file: file.to_string(),
        bytes: bytes.len() as u64,
        sha256: hex(&Sha256::digest(bytes)),
    })
}

fn to_json(journal: &Journal) -> Result<Vec<u8>> {
    serde_json::to_vec(journal).map_err(|e| failed(Path::new(JOURNAL))(&e.to_string()))
}
