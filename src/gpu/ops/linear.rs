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

/// The kernel for a product, and its launch.
pub(super) struct Product {
    pub kernel: Kernel,
    pub groups: [u32; 3],
    /// What its uniform says of them: the workgroups along x, or the rows of x.
    pub extent: u32,
}

impl Product {
    /// `rows` rows of x by `outputs` rows of W: few by `matvec`, which does so many rows of W a workgroup, many by
    /// `matmul` in tiles of so many of both.
    pub fn new(
        rows: usize,
        outputs: usize,
        matvec: (Kernel, usize),
        matmul: (Kernel, usize),
    ) -> Self {
        let (kernel, groups, extent) = match rows <= FEW_ROWS {
            true => {
                let groups = outputs.div_ceil(matvec.1);
                let groups_x = groups.min(GROUPS_X);
                let groups = [groups_x, groups.div_ceil(groups_x), rows];
                (matvec.0, groups, groups_x)
            }
            false => {
                let (kernel, tile) = matmul;
                (
                    kernel,
                    [outputs.div_ceil(tile), rows.div_ceil(tile), 1],
                    rows,
                )
            }
        };
        Product {
            kernel,
            groups: groups.map(|count| count as u32),
            extent: extent as u32,
        }
    }
}

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
    let product = Product::new(rows, outputs, (MATVEC, MATVEC_ROWS), (MATMUL, TILE));
    let params = [(columns / 4) as u32, outputs as u32, product.extent, 0];
    launch(
        product.kernel,
        &[x, weight],
        [rows, outputs],
        product.groups,
        &params,
    )
}
