//! A checkpoint on a server that is converted while it is read, so that it need not be kept as it is.
//!
//! In: a source of files. Out: what the conversion will take ([`Plan`]), each shard and each file as bytes, and the
//! manifest. Where they are kept is the caller's matter; the manifest comes last, since it makes a model of them.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde::Serialize;

use super::about::About;
use super::arrange::{Arrangement, Precision, arrange};
use super::checkpoint::Checkpoint;
use super::manifest::{HashedFile, Manifest, SHARD_BYTES};
use super::settings::read_checkpoint_config;
use super::shards::{Shards, shard_name};
use super::source::{Source, require_file};
use super::tensors::Tensors;
use crate::config::CHAT_TEMPLATE_FILE;
use crate::error::{Error, Result};
use crate::progress::Watch;
use crate::spec::EMBEDDINGS;

/// What a conversion reads and what it makes.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ConversionPlan"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The model's display name.
    pub name: String,
    /// The licence of the weights, as the model card names it.
    pub license: String,
    /// The shards, in their order.
    pub shards: Vec<Part>,
    /// The files beside them.
    pub files: Vec<Part>,
    /// Indices of the shards with embeddings, of which rows are read while the model answers.
    pub embeddings: Vec<usize>,
}

/// A file of the converted model.
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "ConversionPart"))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Its name.
    pub file: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Bytes of the checkpoint that are read for it.
    pub source_bytes: u64,
}

/// A checkpoint to be converted.
pub struct Remote<S> {
    source: Rc<S>,
    checkpoint: Checkpoint<Rc<S>>,
    arrangement: Arrangement,
    about: About,
}

impl<S: Source> Remote<S> {
    /// Reads the small files and the headers, and checks that every tensor of the model exists. `name` and `revision`
    /// are for people.
    ///
    /// # Errors
    /// [`Error::FileMissing`], [`Error::Config`], [`Error::Checkpoint`]; the errors of [`Tensors::check_all`]; the
    /// source's errors.
    pub async fn open(
        source: S,
        name: String,
        revision: String,
        precision: Precision,
    ) -> Result<Self> {
        Self::divided(source, name, revision, precision, SHARD_BYTES).await
    }

    /// As [`Remote::open`], with shards of at most `shard_bytes`.
    ///
    /// # Errors
    /// As [`Remote::open`].
    pub async fn divided(
        source: S,
        name: String,
        revision: String,
        precision: Precision,
        shard_bytes: u64,
    ) -> Result<Self> {
        let source = Rc::new(source);
        // What is wrong with the small files is told before the weights are looked at.
        read_checkpoint_config(&source, None).await?;
        let checkpoint = Checkpoint::open(source.clone()).await?;
        let config = read_checkpoint_config(&source, Some(checkpoint.names())).await?;
        let weights = config.weights();
        checkpoint.check_all(&weights)?;
        let arrangement = arrange(&weights, precision, shard_bytes)?;
        let (mut about, _) = About::read(&source, name, revision).await?;
        about.add_processors(&source, &config).await?;
        Ok(Remote {
            source,
            checkpoint,
            arrangement,
            about,
        })
    }

    /// What there is to do.
    ///
    /// # Errors
    /// The source's errors, for the size of a file.
    pub async fn plan(&self) -> Result<Plan> {
        let sizes = self.arrangement.shards.iter();
        let read = self.shards().source_bytes();
        let shard = |(index, (&bytes, source_bytes)): (usize, (&u64, u64))| Part {
            file: shard_name(index),
            bytes,
            source_bytes,
        };
        let mut files = Vec::new();
        for file in &self.about.files {
            let bytes = self.source.size(file).await?.unwrap_or(0);
            files.push(Part {
                file: file.clone(),
                bytes,
                source_bytes: bytes,
            });
        }
        files.extend(self.about.chat_template.as_ref().map(|template| Part {
            file: CHAT_TEMPLATE_FILE.into(),
            bytes: template.len() as u64,
            source_bytes: 0,
        }));
        let embeddings = self.arrangement.tensors.get(EMBEDDINGS);
        let pieces = embeddings.iter().flat_map(|stored| &stored.pieces);
        let embeddings: BTreeSet<usize> = pieces.map(|piece| piece.shard).collect();
        Ok(Plan {
            name: self.about.name.clone(),
            license: self.about.license.clone(),
            shards: sizes.zip(read).enumerate().map(shard).collect(),
            files,
            embeddings: embeddings.into_iter().collect(),
        })
    }

    /// As [`Shards::make`].
    ///
    /// # Errors
    /// As [`Shards::make`]; [`Error::Option`] for a shard that the plan does not have.
    pub async fn shard(&self, index: usize, watch: &mut Watch<'_>) -> Result<Vec<u8>> {
        let count = self.arrangement.shards.len();
        if index >= count {
            return Err(Error::Option {
                option: format!("shard {index}"),
                reason: format!("the model has {count}"),
            });
        }
        self.shards().make(index, watch).await
    }

    /// The bytes of one of the plan's files.
    ///
    /// # Errors
    /// [`Error::FileMissing`] for a file that the plan does not have; the source's errors.
    pub async fn file(&self, file: &str) -> Result<Vec<u8>> {
        match &self.about.chat_template {
            Some(template) if file == CHAT_TEMPLATE_FILE => Ok(template.clone().into_bytes()),
            _ if self.about.files.iter().any(|own| own == file) => {
                require_file(&self.source, file, SHARD_BYTES).await
            }
            _ => Err(self.source.missing(file)),
        }
    }

    /// The manifest of what was made: `shards` and `files` as the plan has them, with their hashes.
    ///
    /// # Errors
    /// [`Error::Manifest`] if they do not belong together.
    pub fn manifest(&self, shards: Vec<HashedFile>, files: Vec<HashedFile>) -> Result<Vec<u8>> {
        let json = self
            .about
            .manifest(files, shards, &self.arrangement)
            .to_json();
        Manifest::from_json(super::manifest::MANIFEST_FILE, &json)?;
        Ok(json)
    }

    fn shards(&self) -> Shards<'_, Rc<S>> {
        Shards::new(&self.checkpoint, &self.arrangement)
    }
}
