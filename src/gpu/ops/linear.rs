//! Products with matrices of floats: `shaders/matvec.wgsl` for few rows, `shaders/matmul.wgsl` for many, or the
//! reference body.

use burn::tensor::Tensor;

use crate::gpu::kernel::{GpuTensor, Kernel, launch, wgsl_const};
use crate::gpu::reference;

const MATVEC_SHADER: &str = include_str!("../../../shaders/matvec.wgsl");
const MATMUL_SHADER: &str = include_str!("../../../shaders/matmul.wgsl");
pub(super) const MATVEC: Kernel = Kernel::new("matvec", MATVEC_SHADER);
pub(super) const MATMUL: Kernel = Kernel::new("matmul", MATMUL_SHADER);
const MATVEC_ROWS: usize = wgsl_const(MATVEC_SHADER, "ROWS") as usize;
const TILE: usize = wgsl_const(MATMUL_SHADER, "TILE") as usize;
/// Up to so many rows of x each fetches the weights for itself.
const FEW_ROWS: usize = 8;
/// Workgroups along x; more go on along y.
const GROUPS_X: usize = 32_768;

/// `x W^T`: `x` `[rows, columns]`, `W` `[outputs, columns]` -> `[rows, outputs]`. f32.
pub fn linear(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = x.dims();
    let [outputs, _] = weight.dims();
    // The kernels read four columns at once.
    let fits = columns.is_multiple_of(4) && rows > 0;
    let buffers = (GpuTensor::from_float(&x), GpuTensor::from_float(&weight));
    let (Some(x), Some(weight), true) = (buffers.0, buffers.1, fits) else {
        return reference::linear(x, weight);
    };
    let (kernel, groups, last) = match rows <= FEW_ROWS {
        true => {
            let groups = outputs.div_ceil(MATVEC_ROWS);
            let groups_x = groups.min(GROUPS_X);
            (
                MATVEC,
                [groups_x, groups.div_ceil(groups_x), rows],
                groups_x,
            )
        }
        false => (
            MATMUL,
            [outputs.div_ceil(TILE), rows.div_ceil(TILE), 1],
            rows,
        ),
    };
    let params = [columns / 4, outputs, last, 0].map(|value| value as u32);
    let groups = groups.map(|count| count as u32);
    launch(kernel, &[x, weight], [rows, outputs], groups, &params)
}
