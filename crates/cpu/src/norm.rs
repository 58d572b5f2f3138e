//! Row-wise normalisation.

use crate::lanes::{dot, sum_of};

/// `x / sqrt(mean(x^2) + eps) * weight` of one row, into `out`.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let factor = 1.0 / (dot(x, x) / x.len() as f32 + eps).sqrt();
    for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * factor * weight;
    }
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` of one row, biased variance, into `out`.
pub fn layer_norm(x: &[f32], [weight, bias]: [&[f32]; 2], eps: f32, out: &mut [f32]) {
    let count = x.len() as f32;
    let mean = sum_of(x) / count;
    for (out, &x) in out.iter_mut().zip(x) {
        *out = x - mean;
    }
    let factor = 1.0 / (dot(out, out) / count + eps).sqrt();
    for ((out, &weight), &bias) in out.iter_mut().zip(weight).zip(bias) {
        *out = *out * factor * weight + bias;
    }
}
