//! A matrix times many rows. Sixteen rows of the matrix at a time become a panel: their levels in 16 bits, two columns of each side
//! by side, as the instructions take them; every row of activations is multiplied with it while it is in the cache.
//!
//! Whatever the instructions are, these are the steps: the 32 products of a block are summed in an i32, which as f32 is multiplied
//! with the block's scale, then with the activations', and added to the sum of the blocks so far; the sum is multiplied with
//! the row's scale. No multiplication is fused with an addition. So all give the same bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod panel;
mod rows;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use std::cell::RefCell;

use crate::dot::{Kind, Path};
use crate::matrix::Matrix;
use crate::pool::Pool;
use panel::Panel;
pub use rows::Rows;

/// Rows of a panel.
pub const PANEL: usize = 16;
/// Pairs of columns of a block.
const PAIRS: usize = crate::matrix::BLOCK / 2;

thread_local! {
    /// Its memory is used again.
    static PANELS: RefCell<Panel> = RefCell::default();
}

/// `matrix` times every row of `x`. `products`: for each [`PANEL`] rows of the matrix, the last of them filled up with zeros,
/// `[rows of x, PANEL]`.
pub fn multiply_many(path: Path, pool: &Pool, matrix: &Matrix<'_>, x: &Rows, products: &mut [f32]) {
    pool.chunks(products, x.rows() * PANEL, |index, products| {
        PANELS.with_borrow_mut(|panel| {
            panel.set(matrix, index * PANEL);
            path.multiply_panel(panel, x, products.as_chunks_mut().0);
        });
    });
}

impl Path {
    fn multiply_panel(self, panel: &Panel, x: &Rows, products: &mut [[f32; PANEL]]) {
        match self.0 {
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni => unsafe { avx512::multiply_vnni(panel, x, products) },
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::multiply(panel, x, products) },
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::multiply(panel, x, products) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => neon::multiply(panel, x, products),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => simd128::multiply(panel, x, products),
            _ => scalar::multiply(panel, x, products),
        }
    }
}
