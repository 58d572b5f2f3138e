//! Keys and values of the tokens so far, allocated once for the whole context and written in place.

use burn::tensor::{Device, Tensor};

use crate::config::LanguageConfig;

/// One layer's keys and values, each `[key_value_heads, capacity, head_dim]`.
#[derive(Debug)]
pub struct LayerCache {
    /// The two. Taken out while burn writes them: it writes in place only what has one owner.
    stores: [Tensor<3>; 2],
}

impl LayerCache {
    /// For keys and values of `shape`.
    pub fn new(shape: [usize; 3], device: &Device) -> Self {
        LayerCache {
            stores: [(); 2].map(|()| Tensor::zeros(shape, device)),
        }
    }

    /// All keys, whatever of them is held.
    pub fn keys(&self) -> &Tensor<3> {
        &self.stores[0]
    }

    /// All values, whatever of them is held.
    pub fn values(&self) -> &Tensor<3> {
        &self.stores[1]
    }

    /// The key and the value of the token at `position`, each `[key_value_heads, 1, head_dim]`, which do not change with
    /// the cache.
    pub fn copy_of(&self, position: usize) -> [Tensor<3>; 2] {
        let row = |store: &Tensor<3>| store.clone().narrow(1, position, 1).mul_scalar(1.0);
        [row(&self.stores[0]), row(&self.stores[1])]
    }

    /// Writes the keys and values `[key_value_heads, tokens, head_dim]` of new tokens from position `start` on.
    pub fn write(&mut self, start: usize, keys: Tensor<3>, values: Tensor<3>) {
        for (store, rows) in self.stores.iter_mut().zip([keys, values]) {
            let [heads, tokens, head_dim] = rows.dims();
            let nothing = Tensor::empty([1, 1, 1], &rows.device());
            let owned = std::mem::replace(store, nothing);
            *store = owned.slice_assign([0..heads, start..start + tokens, 0..head_dim], rows);
        }
    }
}

/// The cache of a conversation.
pub struct KvCache {
    layers: Vec<LayerCache>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    /// Room for `capacity` tokens.
    pub fn new(config: &LanguageConfig, capacity: usize, device: &Device) -> Self {
        let shape = [config.num_key_value_heads, capacity, config.head_dim()];
        let layer = |_| LayerCache::new(shape, device);
        KvCache {
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            capacity,
            len: 0,
        }
    }

    /// Tokens held.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens that fit in all.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets every token from `len` on. What they left is overwritten later, never read.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// What layer `index` holds.
    pub fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Counts `tokens` as held, once every layer has written them.
    pub fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Whether the next write can happen in place: no view of the stores is alive.
    pub fn is_exclusive(&self) -> bool {
        let mut stores = self.layers.iter().flat_map(|layer| &layer.stores);
        stores.all(Tensor::can_mut)
    }
}
