//! The rotary embedding and the cache write, on burn tensors.

use burn::tensor::Tensor;

use crate::gpu::layer_cache::LayerCache;
use crate::gpu::rope::Rope;

/// See [`crate::gpu::ops::rotary_cache`].
pub fn rotary_cache(
    heads: usize,
    start: usize,
    qkv: Tensor<2>,
    rope: &Rope,
    cache: &mut LayerCache,
) -> Tensor<2> {
    let [tokens, _] = qkv.dims();
    let [key_heads, _, head_dim] = cache.keys().dims();
    let part = |first: usize, count: usize| {
        let part = qkv.clone().narrow(1, first * head_dim, count * head_dim);
        part.reshape([tokens, count, head_dim])
    };
    let q = rope.apply(part(0, heads), start);
    let k = rope.apply(part(heads, key_heads), start);
    let v = part(heads + key_heads, key_heads);
    cache.write(start, k.swap_dims(0, 1), v.swap_dims(0, 1));
    q.reshape([tokens, heads * head_dim])
}
