//! The numbers of tensors in host memory, without copies.

use burn::backend::Flex;
use burn::tensor::{BackendPrimitive, DType, Device, Float, Tensor, TensorData};

type Primitive = <Float as BackendPrimitive<Flex>>::Primitive;

/// The numbers of a tensor.
pub(super) struct Numbers(Primitive);

impl Numbers {
    /// Those of `tensor`; none if it is not in host memory, not in f32, or recorded for gradients.
    pub(super) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let flex = tensor.clone().try_into_primitive::<Flex>().ok()?;
        (flex.dtype() == DType::F32).then(|| match flex.as_slice::<f32>() {
            Some(_) => Numbers(flex),
            None => Numbers(flex.to_contiguous()),
        })
    }

    /// As [`Numbers::of`] for a tensor that may be absent: `Some(None)` where it is.
    pub(super) fn of_any<const D: usize>(tensor: Option<&Tensor<D>>) -> Option<Option<Self>> {
        match tensor {
            Some(tensor) => Numbers::of(tensor).map(Some),
            None => Some(None),
        }
    }

    /// In row-major order.
    pub(super) fn get(&self) -> &[f32] {
        self.0.as_slice().unwrap_or_default()
    }
}

/// Gives `change` the numbers of `tensor` to change in place. None, and the tensor as it was, if they are not in host memory or
/// others hold them too.
pub(super) fn change<const D: usize, T>(
    tensor: &mut Tensor<D>,
    change: impl FnOnce(&mut [f32]) -> T,
) -> Option<T> {
    let device = tensor.device();
    let nothing = Tensor::empty([1; D], &device);
    let owned = std::mem::replace(tensor, nothing);
    // The handle is kept only where it cannot be converted.
    let kept = owned.clone();
    let Ok(mut flex) = owned.try_into_primitive::<Flex>() else {
        *tensor = kept;
        return None;
    };
    drop(kept);
    let whole = flex.dtype() == DType::F32
        && flex.as_slice::<f32>().map(<[f32]>::len) == Some(flex.storage::<f32>().len());
    let changed = match whole {
        true => flex.try_storage_mut::<f32>().map(change),
        false => None,
    };
    *tensor = Tensor::from_primitive::<Flex>(flex);
    changed
}

/// A tensor of `values`, which are moved.
pub(super) fn tensor<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
