//! The rotary embedding in the Hugging Face layout: channel i is rotated together with channel i + d/2.

use burn::tensor::{Device, Tensor, TensorData};

use crate::spec::{DecoderSpec, RopeSpec};

/// Cosines and sines of every position of the context, `[positions, head_dim / 2]`.
#[derive(Debug, Clone)]
pub struct Rope {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Rope {
    /// For a decoder: angles `position * frequency`.
    pub fn new(positions: usize, decoder: &DecoderSpec, device: &Device) -> Self {
        Self::of(positions, decoder.rope, decoder.head_dim, device)
    }

    /// For heads of `head_dim` channels.
    pub fn of(positions: usize, rope: RopeSpec, head_dim: usize, device: &Device) -> Self {
        let half = head_dim / 2;
        // The release computes frequencies and angles in f32.
        let frequencies = rope.frequencies(head_dim).into_iter();
        let frequencies: Vec<f32> = frequencies.map(|frequency| frequency as f32).collect();
        let table = |f: fn(f32) -> f32| {
            let values: Vec<f32> = (0..positions)
                .flat_map(|position| frequencies.iter().map(move |w| f(position as f32 * w)))
                .collect();
            Tensor::from_data(TensorData::new(values, [positions, half]), device)
        };
        Rope {
            cos: table(f32::cos),
            sin: table(f32::sin),
        }
    }

    /// Cosines, `[positions, head_dim / 2]`.
    pub fn cos(&self) -> &Tensor<2> {
        &self.cos
    }

    /// Sines, `[positions, head_dim / 2]`.
    pub fn sin(&self) -> &Tensor<2> {
        &self.sin
    }

    /// Rotates `[tokens, heads, head_dim]`, whose first token is at position `start`.
    pub fn apply(&self, x: Tensor<3>, start: usize) -> Tensor<3> {
        let [tokens, _, head_dim] = x.dims();
        let half = head_dim / 2;
        let of_tokens =
            |table: &Tensor<2>| table.clone().narrow(0, start, tokens).unsqueeze_dim::<3>(1);
        let (cos, sin) = (of_tokens(&self.cos), of_tokens(&self.sin));
        let (first, second) = (x.clone().narrow(2, 0, half), x.narrow(2, half, half));
        let turned_first = first.clone() * cos.clone() - second.clone() * sin.clone();
        let turned_second = second * cos + first * sin;
        Tensor::cat(vec![turned_first, turned_second], 2)
    }
}
