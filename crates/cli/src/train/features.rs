//! Features of the frozen vision tower, computed once for each picture and stored in a file as f16:
//! the tower does not change while the other modules are trained, and its passes cost as much as
//! the rest of a step.
//!
//! The file has one fixed-size record for every crop of every picture: a hash and the features. A
//! record with a wrong hash counts as missing. Configurations that need different crops therefore
//! share the records they have in common. Values are rounded to f16 before their first use too, so
//! that computed and stored features are the same.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;

use super::parameters::{to_vec, values};
use inf_llava::config::Dual;
use inf_llava::error::{Error, Result};
use inf_llava::gpu::ops::{Canvas, ViewShape, crop_patchify};
use inf_llava::image::{Picture, square_u8};
use inf_llava::spec::Crop;
use inf_llava::spec::plan::Plan;
use inf_llava::vision::dem::Features;
use inf_llava::vision::tower::Tower;

/// The features of the crops that a plan contains.
pub struct FeatureCache {
    tower: Tower,
    plan: Plan,
    shape: ViewShape,
    square_px: usize,
    channels: usize,
    device: Device,
    path: String,
    file: Mutex<File>,
}

impl FeatureCache {
    /// Opens or creates the file in `folder` for the pictures with the name `identity`.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub fn open(
        vision: &Dual<'_>,
        tower: Tower,
        plan: Plan,
        identity: &str,
        folder: &Path,
        device: &Device,
    ) -> Result<Self> {
        let mut hash = Fnv::new();
        for value in values(&tower) {
            hash.add(bytemuck::cast_slice(&to_vec(&value)));
        }
        hash.add(identity.as_bytes());
        let square_px = vision.square_px();
        hash.add(&square_px.to_le_bytes());
        let path = folder.join(format!("features-{:016x}.f16", hash.0));
        let failed = |error: std::io::Error| Error::Output {
            file: path.display().to_string(),
            reason: error.to_string(),
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        Ok(FeatureCache {
            tower,
            plan,
            shape: ViewShape::new(vision.tower, vision.pixels.normalise),
            square_px,
            channels: vision.tower.hidden_size,
            device: device.clone(),
            path: path.display().to_string(),
            file: Mutex::new(file),
        })
    }

    /// The features of the picture at `index`; `picture` is called only if some are missing from
    /// the file.
    ///
    /// # Errors
    /// The errors of `picture`; [`Error::Output`].
    pub fn features(
        &self,
        index: u64,
        picture: impl FnOnce() -> Result<Picture>,
    ) -> Result<Features> {
        let passes = self.plan.passes();
        let count = self.shape.tokens() * self.channels;
        let mut crops = passes
            .iter()
            .map(|&crop| self.read(self.offset(index, crop, count), count))
            .collect::<Result<Vec<_>>>()?;
        let missing: Vec<Crop> = passes
            .iter()
            .zip(&crops)
            .filter(|(_, halves)| halves.is_none())
            .map(|(crop, _)| *crop)
            .collect();
        if !missing.is_empty() {
            let bytes = square_u8(&picture()?, self.square_px);
            let canvas = Canvas::new(bytes, [self.square_px; 2], &self.device);
            let holes = crops.iter_mut().filter(|halves| halves.is_none());
            for (hole, crop) in holes.zip(missing) {
                let view = crop.view(self.plan.crops_per_side, self.shape.view_px);
                // One crop at a time, so that a crop's last bits do not depend on which others are
                // missing.
                let patches = crop_patchify(self.shape, &canvas, &[view]);
                let features = self.tower.forward(patches, |_, _| {}).reshape([count]);
                let values = to_vec(&features);
                let halves: Vec<f16> = values.iter().map(|&value| f16::from_f32(value)).collect();
                self.write(self.offset(index, crop, count), &halves)?;
                *hole = Some(halves);
            }
        }
        let halves: Vec<f16> = crops.into_iter().flatten().flatten().collect();
        let mut values = vec![0.0; halves.len()];
        halves.convert_to_f32_slice(&mut values);
        let shape = [passes.len(), self.shape.tokens(), self.channels];
        let all = Tensor::from_data(TensorData::new(values, shape), &self.device);
        Ok(Features::from_passes(&self.plan, all))
    }

    /// Offset of a crop's record in bytes: local crops come first, then global crops, then the
    /// low-resolution image.
    fn offset(&self, index: u64, crop: Crop, count: usize) -> u64 {
        let n = self.plan.crops_per_side;
        let slot = match crop {
            Crop::Local(row, column) => row * n + column,
            Crop::Global(row, column) => n * n + row * n + column,
            Crop::Low => 2 * n * n,
        };
        (index * (2 * n * n + 1) as u64 + slot as u64) * (8 + 2 * count as u64)
    }

    fn read(&self, offset: u64, count: usize) -> Result<Option<Vec<f16>>> {
        let mut record = vec![0_u8; 8 + 2 * count];
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))
            .map_err(|e| self.failed(e))?;
        // A short or empty read: the record is past the end of the file or in a hole.
        if file.read_exact(&mut record).is_err() {
            return Ok(None);
        }
        drop(file);
        let (found, bytes) = record.split_at(8);
        let mut hash = Fnv::new();
        hash.add(bytes);
        let (chunks, _) = bytes.as_chunks();
        let halves = chunks
            .iter()
            .map(|&chunk| f16::from_le_bytes(chunk))
            .collect();
        Ok((found == hash.0.to_le_bytes()).then_some(halves))
    }

    fn write(&self, offset: u64, halves: &[f16]) -> Result<()> {
        let bytes: Vec<u8> = halves.iter().flat_map(|half| half.to_le_bytes()).collect();
        let mut hash = Fnv::new();
        hash.add(&bytes);
        let mut record = hash.0.to_le_bytes().to_vec();
        record.extend(bytes);
        let mut file = self.file();
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.write_all(&record))
            .map_err(|e| self.failed(e))
    }

    /// The locked file. A lock poisoned by a panic is still usable, since every record has its own
    /// hash.
    fn file(&self) -> MutexGuard<'_, File> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::Output {
            file: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

/// FNV-1a over words of eight bytes: used for file names and to detect incomplete records.
pub(super) struct Fnv(pub(super) u64);

impl Fnv {
    pub(super) fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
