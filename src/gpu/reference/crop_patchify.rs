//! DCM on burn tensors: slices and strides of the normalised picture.

use burn::tensor::{Tensor, TensorData};

use crate::gpu::ops::{CropShape, Square};
use crate::image::Crop;
use crate::image::{bicubic, pixel_values};

/// See [`crate::gpu::ops::crop_patchify`].
pub fn crop_patchify(shape: CropShape, square: &Square, crops: &[Crop]) -> Tensor<3> {
    let (n, p, side) = (shape.crops_per_side, shape.crop_px, square.side_px);
    let values = pixel_values(&square.bytes, side);
    let picture = Tensor::<3>::from_data(
        TensorData::new(values.clone(), [3, side, side]),
        &square.device,
    );
    // [3, N * P, N * P] as [3, P, N, P, N]: the last of each pair of axes is the offset of a global crop.
    let strided = picture.clone().reshape([3, p, n, p, n]);

    let parts = crops.iter().map(|&crop| {
        let pixels = match crop {
            Crop::Local(r, c) => {
                picture
                    .clone()
                    .slice([0..3, r * p..(r + 1) * p, c * p..(c + 1) * p])
            }
            Crop::Global(r, c) => strided
                .clone()
                .slice([0..3, 0..p, r..r + 1, 0..p, c..c + 1])
                .reshape([3, p, p]),
            Crop::Low => {
                let low = bicubic(&values, side, p);
                Tensor::from_data(TensorData::new(low, [3, p, p]), &square.device)
            }
        };
        patches(shape, pixels).unsqueeze::<3>()
    });
    Tensor::cat(parts.collect(), 0)
}

/// `[3, P, P]` -> `[h * h, 3 * patch * patch]`.
fn patches(shape: CropShape, pixels: Tensor<3>) -> Tensor<2> {
    let (h, patch) = (shape.crop_px / shape.patch_px, shape.patch_px);
    pixels
        .reshape([3, h, patch, h, patch])
        .permute([1, 3, 0, 2, 4])
        .reshape([shape.tokens(), shape.patch_len()])
}
