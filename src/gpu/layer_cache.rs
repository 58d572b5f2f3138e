//! The keys and values of one decoder layer.

use burn::tensor::{Device, Tensor};

/// One layer's keys and values, each `[key_value_heads, capacity, head_dim]`.
#[derive(Debug)]
pub struct LayerCache {
    /// Keys and values. Each is moved out while burn writes it: burn writes in place only to tensors with one owner.
    stores: [Tensor<3>; 2],
}

impl LayerCache {
    /// A zeroed cache whose keys and values have `shape`.
    pub fn new(shape: [usize; 3], device: &Device) -> Self {
        LayerCache {
            stores: [(); 2].map(|()| Tensor::zeros(shape, device)),
        }
    }

    /// The keys of the whole capacity, used or not.
    pub fn keys(&self) -> &Tensor<3> {
        &self.stores[0]
    }

    /// The values of the whole capacity, used or not.
    pub fn values(&self) -> &Tensor<3> {
        &self.stores[1]
    }

    /// Keys and values, to be changed in place.
    pub(super) fn stores_mut(&mut self) -> [&mut Tensor<3>; 2] {
        let [keys, values] = &mut self.stores;
        [keys, values]
    }

    /// Copies of the key and the value of the token at `position`, each `[key_value_heads, 1, head_dim]`.
    pub fn copy_of(&self, position: usize) -> [Tensor<3>; 2] {
        let row = |store: &Tensor<3>| store.clone().narrow(1, position, 1).mul_scalar(1.0);
        [row(&self.stores[0]), row(&self.stores[1])]
    }

    /// Writes the keys and values `[key_value_heads, tokens, head_dim]` of new tokens at position `start`.
    pub fn write(&mut self, start: usize, keys: Tensor<3>, values: Tensor<3>) {
        for (store, rows) in self.stores.iter_mut().zip([keys, values]) {
            let [heads, tokens, head_dim] = rows.dims();
            let nothing = Tensor::empty([1, 1, 1], &rows.device());
            let owned = std::mem::replace(store, nothing);
            *store = owned.slice_assign([0..heads, start..start + tokens, 0..head_dim], rows);
        }
    }

    /// Whether the next write can happen in place: no other reference to the tensors exists.
    pub fn is_exclusive(&self) -> bool {
        self.stores.iter().all(Tensor::can_mut)
    }
}
