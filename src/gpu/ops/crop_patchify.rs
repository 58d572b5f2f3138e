//! Views of a picture as patches: `shaders/crop_patchify.wgsl`, or the reference implementation.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::kernel_set::{Case, KernelSet};
use crate::error::Result;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::kernel::{GpuTensor, Kernel, in_rows, kernel, launch};
use crate::gpu::reference;
use crate::image::Normalise;
use crate::spec::Crop;
use crate::spec::{TowerSpec, View};

pub(super) const KERNEL: Kernel = kernel!("crop_patchify");
/// Entries in the uniform's list of views.
const MAX_VIEWS: usize = 64;

/// What all views of a tower have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewShape {
    /// Side P of a view in pixels.
    pub view_px: usize,
    /// Patch side in pixels.
    pub patch_px: usize,
    /// Conversion from bytes to normalised values.
    pub normalise: Normalise,
}

impl ViewShape {
    /// The views of `tower`.
    pub fn new(tower: &TowerSpec, normalise: Normalise) -> Self {
        ViewShape {
            view_px: tower.view_px,
            patch_px: tower.patch_px,
            normalise,
        }
    }

    /// Tokens of a view, h * h.
    pub fn tokens(&self) -> usize {
        (self.view_px / self.patch_px).pow(2)
    }

    /// Values of a patch, three channels.
    pub fn patch_len(&self) -> usize {
        3 * self.patch_px * self.patch_px
    }
}

/// A resized picture on a device.
#[derive(Debug, Clone)]
pub struct Canvas {
    /// `[height, width, 3]` bytes.
    pub bytes: Vec<u8>,
    /// Height and width in pixels.
    pub size_px: [usize; 2],
    /// The device of the views.
    pub device: Device,
    /// The bytes, packed four to a word.
    words: Tensor<1, Int>,
}

impl Canvas {
    /// The bytes of a view of `side_px` pixels, `[side, side, 3]`; none of a view that is interpolated.
    pub fn view_bytes(&self, view: View, side_px: usize) -> Vec<u8> {
        let View::Pixels { top, left, step } = view else {
            return Vec::new();
        };
        let [_, width] = self.size_px;
        let pixel = |y: usize, x: usize| {
            let start = 3 * ((top + step * y) * width + left + step * x);
            self.bytes.get(start..start + 3).unwrap_or_default()
        };
        let rows = (0..side_px).flat_map(|y| (0..side_px).map(move |x| (y, x)));
        rows.flat_map(|(y, x)| pixel(y, x)).copied().collect()
    }

    /// Uploads `[height, width, 3]` bytes to `device`.
    pub fn new(bytes: Vec<u8>, size_px: [usize; 2], device: &Device) -> Self {
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
        Canvas {
            bytes,
            size_px,
            device: device.clone(),
            words,
        }
    }
}

/// Crops views out of a picture, normalises them and splits them into patches (of INF-LLaVA: paper eq. 9-17):
/// `[views, h * h, 3 * patch * patch]` f32, each patch in the order channel, row, column, as CLIP's convolution reads
/// it.
pub fn crop_patchify(shape: ViewShape, canvas: &Canvas, views: &[View]) -> Tensor<3> {
    match GpuTensor::from_int(&canvas.words).filter(|_| KERNEL.is_trusted(&canvas.device)) {
        None => {
            falls_back("patches", &canvas.device);
            reference::crop_patchify(shape, canvas, views)
        }
        Some(words) => {
            let parts = views
                .chunks(MAX_VIEWS)
                .map(|part| launch_part(shape, canvas.size_px, &words, part));
            Tensor::cat(parts.collect(), 0)
        }
    }
}

fn launch_part(
    shape: ViewShape,
    size_px: [usize; 2],
    words: &GpuTensor,
    views: &[View],
) -> Tensor<3> {
    let dims = [views.len(), shape.tokens(), shape.patch_len()];
    let groups = dims
        .iter()
        .product::<usize>()
        .div_ceil(KERNEL.workgroup_size as usize);
    let [groups_x, groups_y] = in_rows(groups);
    let [height, width] = size_px;
    let mut params = vec![
        width as u32,
        height as u32,
        shape.view_px as u32,
        shape.patch_px as u32,
        views.len() as u32,
        groups_x,
        0,
        0,
    ];
    for channels in [shape.normalise.mean, shape.normalise.std] {
        params.extend(channels.iter().map(|value| value.to_bits()));
        params.push(0);
    }
    let rows = views.iter().flat_map(|&view| descriptor(view));
    params.extend(rows.chain(std::iter::repeat(0)).take(4 * MAX_VIEWS));
    launch(
        KERNEL,
        std::slice::from_ref(words),
        dims,
        [groups_x, groups_y, 1],
        &params,
    )
}

/// Top, left, step and kind. A canvas side is far below 2^32 pixels.
fn descriptor(view: View) -> [u32; 4] {
    match view {
        View::Pixels { top, left, step } => [top as u32, left as u32, step as u32, 0],
        View::Whole { step } => [0, 0, step as u32, 1],
    }
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[KERNEL],
    beyond_portable: &[],
    cases: &[Case::new(KERNEL, crop)],
};

fn crop(device: &Device) -> Result<Tensor<1>> {
    let shape = ViewShape {
        view_px: 14,
        patch_px: 7,
        normalise: Normalise::CLIP,
    };
    let bytes = (0..28 * 28 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let crops = [Crop::Local(0, 1), Crop::Global(1, 0), Crop::Low];
    let views = crops.map(|crop| crop.view(2, 14));
    Ok(crop_patchify(shape, &Canvas::new(bytes, [28; 2], device), &views).flatten(0, 2))
}
