//! Attention of new tokens to the key/value cache: `shaders/attention.wgsl` for many, `shaders/decode_attention.wgsl`
//! and `shaders/decode_combine.wgsl` for few, or the reference implementation.

use burn::tensor::Tensor;

use super::attention;
use super::attention::{Attention, MapParams, Rows};
use super::kernel_set::{Case, KernelSet, wave};
use super::subgroup::EIGHT;
use crate::error::Result;
use crate::gpu::adapter;
use crate::gpu::cpu;
use crate::gpu::fallbacks::falls_back;
use crate::gpu::kernel::SUBGROUPS;
use crate::gpu::kernel::{GpuTensor, Kernel, kernel, launch, launch_into, output};
use crate::gpu::ops::subgroup::by_eight;
use crate::gpu::reference;
use burn::tensor::Device;

pub(super) const DECODE: Kernel = kernel!("decode_attention");
pub(super) const COMBINE: Kernel = kernel!("decode_combine");
/// Keys per split, and query heads per workgroup.
const SPAN: usize = DECODE.constant("SPAN");
const FOUR: usize = DECODE.constant("FOUR");
/// Up to this many tokens, each token reads the cache separately.
const FEW_TOKENS: usize = 8;

/// Which keys new tokens attend to: row i those up to `start + i`.
#[derive(Debug, Clone, Copy)]
pub struct Causal {
    /// Query heads.
    pub heads: usize,
    /// Keys before the first row's own.
    pub start: usize,
    /// Only this many of the most recent keys: a sliding window.
    pub window: Option<usize>,
}

impl Causal {
    /// Of the self-test: four heads, and a sliding window that begins within the cache.
    pub(super) fn of_case(start: usize) -> Self {
        Causal {
            heads: 4,
            start,
            window: Some(start - 20),
        }
    }

    /// The window as the shaders expect it; without one, a number larger than any cache.
    pub(super) fn window_word(&self) -> u32 {
        const NONE: usize = 1 << 30;
        self.window.map_or(NONE, |window| window.min(NONE)) as u32
    }

    /// The number of leading keys that no row attends to.
    fn unseen(&self) -> usize {
        let window = self.window.unwrap_or(usize::MAX);
        (self.start + 1).saturating_sub(window)
    }
}

/// `softmax(Q K^T / sqrt(head_dim)) V` of `q` `[tokens, heads * head_dim]`; `causal` says which keys each row attends
/// to. `keys` and `values` are `[key_heads, capacity, head_dim]`, of which the first `start + tokens` of each head
/// are read; each serves `heads / key_heads` query heads. The result has the shape of `q`. f32.
pub fn causal_attention(
    causal: Causal,
    q: Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Tensor<2> {
    let on_cpu = || cpu::causal_attention(causal, &q, keys, values);
    match on_gpu(causal, &q, keys, values).or_else(on_cpu) {
        Some(mixed) => mixed,
        None => {
            falls_back("causal attention", &q.device());
            reference::causal_attention(causal, q, keys, values)
        }
    }
}

/// None if the tensors are not on wgpu, or the kernels do not support them.
fn on_gpu(
    causal: Causal,
    q: &Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Option<Tensor<2>> {
    let Causal { heads, start, .. } = causal;
    let [tokens, channels] = q.dims();
    let [key_heads, capacity, head_dim] = keys.dims();
    let group = heads / key_heads;
    if !Attention::fits(head_dim) || tokens == 0 {
        return None;
    }
    if tokens > FEW_TOKENS {
        let attention = Attention {
            rows: Rows::Causal,
            sets: 1,
            queries: tokens,
            keys: start + tokens,
            heads,
            head_dim,
            group,
            start,
            window: causal.window_word(),
            key_strides: [0, head_dim, capacity * head_dim],
        };
        return attention.run(&MapParams::default(), q, keys, values);
    }

    let device = q.device();
    if !DECODE.is_trusted(&device) || !COMBINE.is_trusted(&device) {
        return None;
    }
    let inputs = [
        GpuTensor::from_float(q)?,
        GpuTensor::from_float(keys)?,
        GpuTensor::from_float(values)?,
    ];
    let first_split = causal.unseen() / SPAN;
    let splits = (start + tokens).div_ceil(SPAN) - first_split;
    let found = output(&inputs[0], [tokens, heads, splits, head_dim + 4]);
    let groups = [splits, key_heads * group.div_ceil(FOUR), tokens].map(|count| count as u32);
    let sizes = [tokens, start, heads, group, head_dim, capacity, splits];
    let mut params = sizes.map(|size| size as u32).to_vec();
    params.push((1.0 / (head_dim as f32).sqrt()).to_bits());
    params.extend([causal.window_word(), first_split as u32, 0, 0]);
    let decode = by_eight(DECODE, adapter::variants(&device));
    launch_into(decode, &inputs, &found, groups, &params);

    let rows = tokens * heads;
    let quads = head_dim / 4;
    let groups = (rows * quads).div_ceil(COMBINE.workgroup_size as usize);
    let params = [rows, splits, quads, 0].map(|size| size as u32);
    let shape = [tokens, channels];
    Some(launch(
        COMBINE,
        &[found],
        shape,
        [groups as u32, 1, 1],
        &params,
    ))
}

/// For [`super::kernels`] and the self-test.
pub(super) const SET: KernelSet = KernelSet {
    portable: &[DECODE, COMBINE],
    beyond_portable: &[DECODE.with("LANES", EIGHT).with(SUBGROUPS, 1)],
    cases: &[
        Case::new(attention::KERNEL, |device| of_tokens(70, device)),
        Case::new(DECODE, |device| of_tokens(1, device)),
    ],
};

/// New tokens attending to a cache of more than one split, four query heads to two key/value heads.
fn of_tokens(tokens: usize, device: &Device) -> Result<Tensor<1>> {
    let start = 300;
    let [keys, values] = [0.3, 0.7].map(|step| wave(step, [2, start + tokens, 32], device));
    let q = wave(0.9, [tokens, 4 * 32], device) * 3.0;
    Ok(causal_attention(Causal::of_case(start), q, &keys, &values).flatten(0, 1))
}
