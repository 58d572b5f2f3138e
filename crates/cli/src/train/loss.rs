//! Cross-entropy over the rows that have a target.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

/// `-log softmax(logits)[target]`, summed over the rows: `logits` `[rows, classes]`, one target per
/// row. Returns `[1]`.
pub fn cross_entropy(logits: Tensor<2>, targets: &[usize]) -> Tensor<1> {
    let device = logits.device();
    let values: Vec<i32> = targets.iter().map(|&t| t as i32).collect();
    let data = TensorData::new(values, [targets.len(), 1]);
    let targets = Tensor::<2, Int>::from_data(data, &device.without_autodiff());
    log_softmax(logits, 1).gather(1, targets).sum().neg()
}

/// The given `rows` of `x`, in that order.
pub fn select_rows(x: Tensor<2>, rows: &[usize]) -> Tensor<2> {
    let values: Vec<i32> = rows.iter().map(|&r| r as i32).collect();
    let data = TensorData::new(values, [rows.len()]);
    let rows = Tensor::<1, Int>::from_data(data, &x.device().without_autodiff());
    x.select(0, rows)
}

/// Whether each row of `logits` `[rows, classes]` has its largest value at the target.
pub fn is_right(logits: Tensor<2>, targets: &[usize]) -> Vec<bool> {
    let found = logits.inner().argmax(1).into_data();
    found
        .iter::<i64>()
        .zip(targets)
        .map(|(found, target)| found == *target as i64)
        .collect()
}
