//! Attention, and what comes before it in a decoder: the rotary embedding and the cache's write.

use burn::tensor::Tensor;
use inf_llava_cpu::{Attention, Causal as Seen, Heads, Path, Pool, attend, attend_many};

use super::host::{Numbers, change, tensor};
use crate::gpu::layer_cache::LayerCache;
use crate::gpu::ops::Causal;
use crate::gpu::rope::Rope;

/// Up to this many tokens, each reads keys and values by itself.
const FEW_TOKENS: usize = 4;

/// [`crate::gpu::ops::causal_attention`]; none where something is not in host memory.
pub fn causal_attention(
    causal: Causal,
    q: &Tensor<2>,
    keys: &Tensor<3>,
    values: &Tensor<3>,
) -> Option<Tensor<2>> {
    let [tokens, channels] = q.dims();
    let [key_heads, capacity, head_dim] = keys.dims();
    if tokens == 0 {
        return None;
    }
    let [queries, keys, values] = [Numbers::of(q)?, Numbers::of(keys)?, Numbers::of(values)?];
    let (heads, start) = (causal.heads, causal.start);
    let window = causal.window.unwrap_or(usize::MAX);
    let (path, pool) = (Path::quickest(), Pool::of_program());
    let mut mixed = vec![0.0; tokens * channels];
    let cache = [keys.get(), values.get()];
    if tokens <= FEW_TOKENS {
        let sizes = Attention {
            heads,
            key_heads,
            head_dim,
            capacity,
            start,
            window,
        };
        attend(path, pool, &sizes, queries.get(), cache, &mut mixed);
    } else {
        let sizes = Heads {
            heads,
            key_heads,
            head_dim,
            keys: start + tokens,
            strides: [head_dim, capacity * head_dim],
            causal: Some(Seen { start, window }),
        };
        attend_many(path, pool, &sizes, queries.get(), cache, &mut mixed);
    }
    Some(tensor(mixed, [tokens, channels], &q.device()))
}

/// [`crate::gpu::ops::self_attention`]; none where something is not in host memory.
pub fn self_attention(
    heads: usize,
    q: &Tensor<3>,
    k: &Tensor<3>,
    v: &Tensor<3>,
) -> Option<Tensor<3>> {
    let [views, tokens, channels] = q.dims();
    if tokens == 0 || channels == 0 {
        return None;
    }
    let [q_numbers, k, v] = [Numbers::of(q)?, Numbers::of(k)?, Numbers::of(v)?];
    let head_dim = channels / heads;
    let sizes = Heads {
        heads,
        key_heads: heads,
        head_dim,
        keys: tokens,
        strides: [channels, head_dim],
        causal: None,
    };
    let mut mixed = vec![0.0; views * tokens * channels];
    let view = tokens * channels;
    for (view, mixed) in mixed.chunks_exact_mut(view).enumerate() {
        let [q, k, v] = [&q_numbers, &k, &v]
            .map(|all| &all.get()[view * tokens * channels..][..tokens * channels]);
        attend_many(
            Path::quickest(),
            Pool::of_program(),
            &sizes,
            q,
            [k, v],
            mixed,
        );
    }
    Some(tensor(mixed, [views, tokens, channels], &q.device()))
}

/// [`crate::gpu::ops::rotary_cache`]; none where something is not in host memory, or the cache is held elsewhere too.
pub fn rotary_cache(
    heads: usize,
    start: usize,
    qkv: &Tensor<2>,
    rope: &Rope,
    cache: &mut LayerCache,
) -> Option<Tensor<2>> {
    let [tokens, width] = qkv.dims();
    let [key_heads, capacity, head_dim] = cache.keys().dims();
    if tokens == 0 || width == 0 {
        return None;
    }
    let [numbers, cos, sin] = [
        Numbers::of(qkv)?,
        Numbers::of(rope.cos())?,
        Numbers::of(rope.sin())?,
    ];
    let half = head_dim / 2;
    let (queries, keys) = (heads * head_dim, key_heads * head_dim);
    let rows = || numbers.get().chunks_exact(width).enumerate();
    // Rotates one head of the token at `position`.
    let rotate = |position: usize, from: &[f32], to: &mut [f32]| {
        let angles = position * half..(position + 1) * half;
        let (cos, sin) = (&cos.get()[angles.clone()], &sin.get()[angles]);
        let (first, second) = from.split_at(half);
        let (to_first, to_second) = to.split_at_mut(half);
        for at in 0..half {
            to_first[at] = first[at] * cos[at] - second[at] * sin[at];
            to_second[at] = second[at] * cos[at] + first[at] * sin[at];
        }
    };
    let place = |head: usize, token: usize| (head * capacity + start + token) * head_dim;
    cache.change(|keys_store, values_store| {
        for (token, row) in rows() {
            let (k, v) = row[queries..].split_at(keys);
            for (head, k) in k.chunks_exact(head_dim).enumerate() {
                rotate(
                    start + token,
                    k,
                    &mut keys_store[place(head, token)..][..head_dim],
                );
            }
            for (head, v) in v.chunks_exact(head_dim).enumerate() {
                values_store[place(head, token)..][..head_dim].copy_from_slice(v);
            }
        }
    })?;
    let mut q = vec![0.0; tokens * queries];
    for ((token, row), q) in rows().zip(q.chunks_exact_mut(queries)) {
        let heads = row[..queries]
            .chunks_exact(head_dim)
            .zip(q.chunks_exact_mut(head_dim));
        heads.for_each(|(from, to)| rotate(start + token, from, to));
    }
    Some(tensor(q, [tokens, queries], &qkv.device()))
}

impl LayerCache {
    /// Gives `write` the keys and the values, each `[key_heads, capacity, head_dim]`, to change in place. None, and nothing is
    /// changed, if they are not in host memory or others hold them too.
    fn change(&mut self, write: impl FnOnce(&mut [f32], &mut [f32])) -> Option<()> {
        if !self.is_exclusive() {
            return None;
        }
        let [keys, values] = self.stores_mut();
        change(keys, |keys| change(values, |values| write(keys, values)))?
    }
}
