//! Keys and values of all tokens so far, allocated once for the whole context and written in place.

use burn::tensor::Device;

use crate::gpu::layer_cache::LayerCache;
use crate::spec::DecoderSpec;

/// The cache of a conversation.
pub struct KvCache {
    layers: Vec<LayerCache>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    /// Room for `capacity` tokens.
    pub fn new(config: &DecoderSpec, capacity: usize, device: &Device) -> Self {
        let shape = [config.num_key_value_heads, capacity, config.head_dim];
        let layer = |_| LayerCache::new(shape, device);
        KvCache {
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            capacity,
            len: 0,
        }
    }

    /// The number of tokens in the cache.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of tokens that fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Removes every token from `len` on. Their keys and values are overwritten later, and never read.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The cache of layer `index`.
    pub fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Counts `tokens` more as stored, after every layer has written them.
    pub fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Whether the next write can happen in place: no other reference to the tensors exists.
    pub fn is_exclusive(&self) -> bool {
        self.layers.iter().all(LayerCache::is_exclusive)
    }
}
