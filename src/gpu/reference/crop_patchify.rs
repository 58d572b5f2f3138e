//! Views as patches, on the host.

use burn::tensor::{Tensor, TensorData};

use crate::gpu::ops::{Canvas, ViewShape};
use crate::image::{bicubic, pixel_values};
use crate::spec::View;

/// See [`crate::gpu::ops::crop_patchify`]. A view of the whole picture needs a square canvas.
pub fn crop_patchify(shape: ViewShape, canvas: &Canvas, views: &[View]) -> Tensor<3> {
    let ([height, width], p) = (canvas.size_px, shape.view_px);
    let values = pixel_values(&canvas.bytes, shape.normalise);
    let parts = views.iter().map(|&view| {
        let pixels = match view {
            View::Whole { .. } => bicubic(&values, width, p),
            View::Pixels { top, left, step } => {
                let mut pixels = Vec::with_capacity(3 * p * p);
                for plane in values.chunks_exact(height * width) {
                    for y in 0..p {
                        let row = &plane[(top + step * y) * width..][..width];
                        pixels.extend(row.iter().skip(left).step_by(step).take(p));
                    }
                }
                pixels
            }
        };
        let pixels = Tensor::from_data(TensorData::new(pixels, [3, p, p]), &canvas.device);
        patches(shape, pixels).unsqueeze::<3>()
    });
    Tensor::cat(parts.collect(), 0)
}

/// `[3, P, P]` -> `[h * h, 3 * patch * patch]`. Pixels at the right and the bottom that do not fill a patch are
/// ignored.
fn patches(shape: ViewShape, pixels: Tensor<3>) -> Tensor<2> {
    let (h, patch) = (shape.view_px / shape.patch_px, shape.patch_px);
    let seen = h * patch;
    pixels
        .slice([0..3, 0..seen, 0..seen])
        .reshape([3, h, patch, h, patch])
        .permute([1, 3, 0, 2, 4])
        .reshape([shape.tokens(), shape.patch_len()])
}
