//! DCM: `shaders/crop_patchify.wgsl`, or the reference body.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::gpu::kernel::{GpuTensor, Kernel, in_rows, kernel, launch};
use crate::gpu::reference;
use crate::image::Crop;
use crate::image::{MEAN, STD};

pub(super) const KERNEL: Kernel = kernel!("crop_patchify");
/// Entries of the uniform's list of crops.
const MAX_CROPS: usize = 64;

/// Sizes of the crops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropShape {
    /// Crops per side N.
    pub crops_per_side: usize,
    /// Crop side P in pixels.
    pub crop_px: usize,
    /// Patch side in pixels.
    pub patch_px: usize,
}

impl CropShape {
    /// Tokens of a crop, h * h.
    pub fn tokens(&self) -> usize {
        (self.crop_px / self.patch_px).pow(2)
    }

    /// Numbers of a patch, three channels.
    pub fn patch_len(&self) -> usize {
        3 * self.patch_px * self.patch_px
    }
}

/// The resized square of a picture on a device.
#[derive(Debug, Clone)]
pub struct Square {
    /// `[side, side, 3]` bytes.
    pub bytes: Vec<u8>,
    /// S = N * P in pixels.
    pub side_px: usize,
    /// Where the crops are to be.
    pub device: Device,
    /// The bytes, four to a word.
    words: Tensor<1, Int>,
}

impl Square {
    /// Takes `[side, side, 3]` bytes to `device`.
    pub fn new(bytes: Vec<u8>, side_px: usize, device: &Device) -> Self {
        let words: Vec<i32> = bytes
            .chunks(4)
            .map(|chunk| {
                let mut word = [0; 4];
                word[..chunk.len()].copy_from_slice(chunk);
                i32::from_le_bytes(word)
            })
            .collect();
        let count = words.len();
        let words = Tensor::from_data(TensorData::new(words, [count]), device);
        Square {
            bytes,
            side_px,
            device: device.clone(),
            words,
        }
    }
}

/// Crops, normalises and cuts into patches (paper eq. 9-17): `[crops, h * h, 3 * patch * patch]`
/// f32, a patch in the order channel, row, column, as CLIP's convolution reads it.
pub fn crop_patchify(shape: CropShape, square: &Square, crops: &[Crop]) -> Tensor<3> {
    match GpuTensor::from_int(&square.words).filter(|_| KERNEL.is_trusted(&square.device)) {
        None => reference::crop_patchify(shape, square, crops),
        Some(words) => {
            let parts = crops
                .chunks(MAX_CROPS)
                .map(|part| launch_part(shape, &words, part));
            Tensor::cat(parts.collect(), 0)
        }
    }
}

fn launch_part(shape: CropShape, words: &GpuTensor, crops: &[Crop]) -> Tensor<3> {
    let dims = [crops.len(), shape.tokens(), shape.patch_len()];
    let groups = dims
        .iter()
        .product::<usize>()
        .div_ceil(KERNEL.workgroup_size as usize);
    let [groups_x, groups_y] = in_rows(groups);
    let mut params = vec![
        shape.crops_per_side as u32,
        shape.crop_px as u32,
        shape.patch_px as u32,
        crops.len() as u32,
        groups_x,
        0,
        0,
        0,
    ];
    for channels in [MEAN, STD] {
        params.extend(channels.iter().map(|value| value.to_bits()));
        params.push(0);
    }
    params.extend((0..MAX_CROPS).map(|i| crops.get(i).map_or(0, |&crop| descriptor(crop))));
    launch(
        KERNEL,
        std::slice::from_ref(words),
        dims,
        [groups_x, groups_y, 1],
        &params,
    )
}

fn descriptor(crop: Crop) -> u32 {
    let (kind, row, column) = match crop {
        Crop::Local(row, column) => (0, row, column),
        Crop::Global(row, column) => (1, row, column),
        Crop::Low => (2, 0, 0),
    };
    (kind << 16) | (row as u32) << 8 | column as u32
}
