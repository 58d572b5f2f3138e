//! Row-wise normalisation.

use burn::tensor::Tensor;
use inf_llava_cpu::{Pool, layer_norm as layer_norm_of_row, rms_norm as rms_norm_of_row};

use super::host::{Numbers, tensor};

/// Numbers of a thread's part.
const PART: usize = 16 << 10;

/// [`crate::gpu::ops::rms_norm`]; none where something is not in host memory.
pub fn rms_norm(x: &Tensor<2>, weight: &Tensor<1>, eps: f64) -> Option<Tensor<2>> {
    let weight = Numbers::of(weight)?;
    by_row(x, |x, out| {
        rms_norm_of_row(x, weight.get(), eps as f32, out)
    })
}

/// [`crate::gpu::ops::layer_norm`]; none where something is not in host memory.
pub fn layer_norm(
    x: &Tensor<2>,
    weight: &Tensor<1>,
    bias: &Tensor<1>,
    eps: f64,
) -> Option<Tensor<2>> {
    let [weight, bias] = [Numbers::of(weight)?, Numbers::of(bias)?];
    let both = [weight.get(), bias.get()];
    by_row(x, |x, out| layer_norm_of_row(x, both, eps as f32, out))
}

fn by_row(x: &Tensor<2>, norm: impl Fn(&[f32], &mut [f32]) + Sync) -> Option<Tensor<2>> {
    let [rows, channels] = x.dims();
    if rows == 0 || channels == 0 {
        return None;
    }
    let numbers = Numbers::of(x)?;
    let numbers = numbers.get();
    let mut normed = vec![0.0; rows * channels];
    let size = (PART / channels).max(1) * channels;
    Pool::of_program().chunks(&mut normed, size, |index, normed| {
        let x = &numbers[index * size..][..normed.len()];
        let rows = x
            .chunks_exact(channels)
            .zip(normed.chunks_exact_mut(channels));
        rows.for_each(|(x, out)| norm(x, out));
    });
    Some(tensor(normed, [rows, channels], &x.device()))
}
