//! Keys and values of the tokens so far, allocated once for the whole context and written in place.

use burn::tensor::{Device, Tensor};

use crate::config::LanguageConfig;

/// One layer's keys or values: `[key_value_heads, capacity, head_dim]`.
///
/// Taken out while it is written: burn writes in place only what has one owner.
struct Store(Option<Tensor<3>>);

impl Store {
    fn write(&mut self, start: usize, rows: Tensor<3>) -> Tensor<3> {
        let [heads, tokens, head_dim] = rows.dims();
        // The option is empty only inside this function.
        let Some(store) = self.0.take() else {
            return rows;
        };
        let store = store.slice_assign([0..heads, start..start + tokens, 0..head_dim], rows);
        let view = store.clone().narrow(1, 0, start + tokens);
        self.0 = Some(store);
        view
    }
}

/// The cache of a conversation.
pub struct KvCache {
    keys: Vec<Store>,
    values: Vec<Store>,
    capacity: usize,
    len: usize,
}

impl KvCache {
    /// Room for `capacity` tokens.
    pub fn new(config: &LanguageConfig, capacity: usize, device: &Device) -> Self {
        let shape = [config.num_key_value_heads, capacity, config.head_dim()];
        let stores = || {
            (0..config.num_hidden_layers)
                .map(|_| Store(Some(Tensor::zeros(shape, device))))
                .collect()
        };
        KvCache {
            keys: stores(),
            values: stores(),
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

    /// Writes the keys and values `[key_value_heads, tokens, head_dim]` of new tokens of a layer
    /// behind the held ones; gives the layer's keys and values up to and with them.
    pub fn write(
        &mut self,
        layer: usize,
        keys: Tensor<3>,
        values: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let start = self.len;
        (
            self.keys[layer].write(start, keys),
            self.values[layer].write(start, values),
        )
    }

    /// Counts `tokens` as held, once every layer has written them.
    pub fn advance(&mut self, tokens: usize) {
        self.len += tokens;
    }

    /// Whether the next write can happen in place: no view of the stores is alive.
    pub fn is_exclusive(&self) -> bool {
        self.keys
            .iter()
            .chain(&self.values)
            .all(|store| store.0.as_ref().is_some_and(Tensor::can_mut))
    }
}
