//! Rows of a matrix times a row of activations, by the instructions that the processor has.
//!
//! Whatever they are, these are the steps: a block's 32 products are summed in eight lanes of i32; each lane, as f32, is
//! multiplied with the block's scale and added to one of two sets of eight sums, one for the blocks of even and one for those of
//! odd places; in the end lane by lane the sets are added, then the lanes: `((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7))`.
//! No multiplication is fused with an addition. So all give the same bits, and [`scalar`] says which.

use std::fmt;
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use crate::activations::{Activations, Row};
use crate::matrix::{Bits, Matrix};
use crate::pool::Pool;

/// Lanes of a block's sums.
const LANES: usize = 8;
/// Weights of a part of a product: some microseconds.
const PART: usize = 32 << 10;

/// `matrix` times every row of `x`: `products` `[rows of the matrix, rows of x]`.
pub fn multiply(
    path: Path,
    pool: &Pool,
    matrix: &Matrix<'_>,
    x: &Activations,
    products: &mut [f32],
) {
    let rows = (PART / matrix.columns()).max(1);
    pool.chunks(products, rows * x.rows(), |index, products| {
        path.multiply(matrix, index * rows, x, products);
    });
}

/// Instructions that are computed with: only those that this processor has can be named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path(pub(crate) Kind);

/// All that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Those of every processor.
    Scalar,
    /// x86 with AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// x86 with AVX-512 F, BW and VL.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// As [`Kind::Avx512`], and VNNI.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// Every 64-bit ARM.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// WebAssembly's 128 bits.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Path {
    /// Those of every processor, whose results all others have.
    pub const SCALAR: Path = Path(Kind::Scalar);

    /// The quickest that this processor has.
    pub fn quickest() -> Path {
        static QUICKEST: OnceLock<Path> = OnceLock::new();
        *QUICKEST.get_or_init(|| Path::available().first().copied().unwrap_or(Path::SCALAR))
    }

    /// All that this processor has, the quickest first.
    pub fn available() -> Vec<Path> {
        let kinds = [
            #[cfg(target_arch = "x86_64")]
            (
                Kind::Avx512Vnni,
                avx512::is_available() && is_x86_feature_detected!("avx512vnni"),
            ),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, avx512::is_available()),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, is_x86_feature_detected!("avx2")),
            #[cfg(target_arch = "aarch64")]
            (Kind::Neon, true),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            (Kind::Simd128, true),
            (Kind::Scalar, true),
        ];
        let available = kinds.into_iter().filter(|(_, is_available)| *is_available);
        available.map(|(kind, _)| Path(kind)).collect()
    }

    /// Rows `first..` of `matrix` times every row of `x`: `products` `[rows of the matrix, rows of x]`.
    pub fn multiply(
        self,
        matrix: &Matrix<'_>,
        first: usize,
        x: &Activations,
        products: &mut [f32],
    ) {
        let per_row = x.rows();
        for (index, products) in products.chunks_exact_mut(per_row).enumerate() {
            let (codes, block_scales, row_scale) = matrix.row(first + index);
            for (at, product) in products.iter_mut().enumerate() {
                let dot = self.dot(matrix.bits, codes, block_scales, x.row(at));
                *product = row_scale * dot;
            }
        }
    }

    #[inline]
    fn dot(self, bits: Bits, codes: &[u8], block_scales: &[u8], x: Row<'_>) -> f32 {
        match self.0 {
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Vnni => unsafe { avx512::dot(bits, codes, block_scales, x) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::dot(bits, codes, block_scales, x) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => neon::dot(bits, codes, block_scales, x),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128 => simd128::dot(bits, codes, block_scales, x),
            _ => scalar::dot(bits, codes, block_scales, x),
        }
    }
}

/// The sum of two sets of lanes.
#[inline]
fn sum_of(even: [f32; LANES], odd: [f32; LANES]) -> f32 {
    let mut lanes = [0.0; LANES];
    for lane in 0..LANES {
        lanes[lane] = even[lane] + odd[lane];
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
