//! Every instruction path against the scalar one, bit for bit, and that against products in f64.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use inf_llava_cpu::{
    Activations, BLOCK, Bits, Matrix, PANEL, Path, Pool, Rows, multiply, multiply_many,
};

/// Numbers without a pattern.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        let float = |_| (self.next() % 20_001) as f32 / 10_000.0 - 1.0;
        (0..count).map(float).collect()
    }
}

struct Owned {
    bits: Bits,
    columns: usize,
    codes: Vec<u8>,
    block_scales: Vec<u8>,
    row_scales: Vec<[u8; 4]>,
}

impl Owned {
    fn new(noise: &mut Noise, bits: Bits, rows: usize, columns: usize) -> Self {
        let blocks = rows * columns / BLOCK;
        let per_block = match bits {
            Bits::Four => 16,
            Bits::Eight => 32,
        };
        Owned {
            bits,
            columns,
            codes: noise.bytes(blocks * per_block),
            block_scales: noise.bytes(blocks),
            row_scales: noise
                .floats(rows)
                .into_iter()
                .map(f32::to_le_bytes)
                .collect(),
        }
    }

    fn matrix(&self) -> Matrix<'_> {
        let Owned {
            bits,
            columns,
            codes,
            block_scales,
            row_scales,
        } = self;
        Matrix::new(*bits, *columns, codes, block_scales, row_scales).unwrap()
    }

    fn weight(&self, row: usize, column: usize) -> f64 {
        let at = row * self.columns + column;
        let level = match self.bits {
            Bits::Eight => f64::from(self.codes[at] as i8),
            Bits::Four => {
                let byte = self.codes[at / 2];
                let code = if at.is_multiple_of(2) {
                    byte & 15
                } else {
                    byte >> 4
                };
                let t = f64::from(code) - 8.0;
                t + t * t * t / 128.0
            }
        };
        let block = f64::from(self.block_scales[at / BLOCK] as i8);
        f64::from(f32::from_le_bytes(self.row_scales[row])) * block * level
    }
}

const SHAPES: [[usize; 2]; 8] = [
    [1, 32],
    [7, 32],
    [5, 64],
    [3, 96],
    [9, 544],
    [33, 576],
    [4, 1056],
    [70, 2080],
];

#[test]
fn every_path_gives_the_bits_of_the_scalar_one() {
    let mut noise = Noise(1);
    println!("paths of this processor: {:?}", Path::available());
    for bits in [Bits::Four, Bits::Eight] {
        for [rows, columns] in SHAPES {
            for x_rows in [1, 2, 3] {
                let owned = Owned::new(&mut noise, bits, rows, columns);
                let mut x = Activations::default();
                x.set(&noise.floats(x_rows * columns), columns, bits);
                let all = |path: Path| {
                    // What is in front of the products and behind them stays.
                    let mut products = vec![7.0_f32; rows * x_rows + 2];
                    let end = products.len() - 1;
                    path.multiply(&owned.matrix(), 0, &x, &mut products[1..end]);
                    products
                        .iter()
                        .map(|value| value.to_bits())
                        .collect::<Vec<_>>()
                };
                let expected = all(Path::SCALAR);
                let ends = [expected[0], expected[expected.len() - 1]];
                assert_eq!(ends, [7.0_f32.to_bits(); 2]);
                for path in Path::available() {
                    assert_eq!(
                        all(path),
                        expected,
                        "{path:?} {bits:?} {rows} x {columns}, {x_rows}"
                    );
                }
            }
        }
    }
}

#[test]
fn products_are_those_of_the_weights() {
    let mut noise = Noise(2);
    for bits in [Bits::Four, Bits::Eight] {
        for [rows, columns] in SHAPES {
            let owned = Owned::new(&mut noise, bits, rows, columns);
            let values = noise.floats(columns);
            let mut x = Activations::default();
            x.set(&values, columns, bits);
            let mut products = vec![0.0; rows];
            Path::SCALAR.multiply(&owned.matrix(), 0, &x, &mut products);
            for (row, &product) in products.iter().enumerate() {
                let terms = (0..columns)
                    .map(|column| owned.weight(row, column) * f64::from(values[column]));
                let (exact, size) = terms.fold((0.0, 0.0), |(sum, size), term| {
                    (sum + term, size + term * term)
                });
                let error = (f64::from(product) - exact).abs();
                assert!(
                    error <= 1e-4 * f64::sqrt(size),
                    "{bits:?} {rows} x {columns}: {product} for {exact}"
                );
            }
        }
    }
}

#[test]
fn extremes_neither_overflow_nor_vanish() {
    for (bits, code, level) in [(Bits::Four, 0x00, -12.0), (Bits::Eight, 0x80, -128.0)] {
        let codes = [code; 64];
        let scales = [(-1.0_f32).to_le_bytes()];
        let per_row = if bits == Bits::Four { 16 } else { 32 };
        let matrix = Matrix::new(bits, 32, &codes[..per_row], &[0x80], &scales).unwrap();
        for value in [f32::MAX / 1e6, -3.0, 1e-20, -f32::MIN_POSITIVE, 0.0] {
            let mut x = Activations::default();
            x.set(&[value; 32], 32, bits);
            for path in Path::available() {
                let mut product = [0.0];
                path.multiply(&matrix, 0, &x, &mut product);
                let expected = if value.abs() < 1e-30 {
                    0.0
                } else {
                    32.0 * value * level * 128.0
                };
                assert!(
                    (product[0] - expected).abs() <= expected.abs() * 1e-5,
                    "{path:?} {value}: {product:?}"
                );
            }
        }
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = [1.0; 32];
            values[9] = value;
            let mut x = Activations::default();
            x.set(&values, 32, bits);
            for path in Path::available() {
                let mut product = [0.0];
                path.multiply(&matrix, 0, &x, &mut product);
                assert!(product[0].is_nan(), "{path:?} {value}");
            }
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_no_matrix() {
    let (codes, scales, rows) = (vec![0; 32], [0; 2], [[0; 4]; 2]);
    assert!(Matrix::new(Bits::Four, 32, &codes, &scales, &rows).is_some());
    for matrix in [
        Matrix::new(Bits::Eight, 32, &codes, &scales, &rows),
        Matrix::new(Bits::Four, 0, &codes, &scales, &rows),
        Matrix::new(Bits::Four, 33, &codes, &scales, &rows),
        Matrix::new(Bits::Four, 32, &codes[1..], &scales, &rows),
        Matrix::new(Bits::Four, 32, &codes, &scales[1..], &rows),
        Matrix::new(Bits::Four, 32, &codes, &scales, &rows[1..]),
    ] {
        assert!(matrix.is_none());
    }
}

#[test]
fn threads_change_no_bit() {
    let mut noise = Noise(3);
    let owned = Owned::new(&mut noise, Bits::Four, 777, 2080);
    let mut x = Activations::default();
    x.set(&noise.floats(2 * 2080), 2080, Bits::Four);
    let path = Path::available()[0];
    let all = |threads| {
        let pool = Pool::new(threads);
        let mut products = vec![0.0; 2 * 777];
        for _ in 0..50 {
            products.fill(0.0);
            multiply(path, &pool, &owned.matrix(), &x, &mut products);
        }
        products
    };
    let expected = all(1);
    for threads in [2, 3, 8] {
        assert_eq!(all(threads), expected);
    }
}

#[test]
fn a_panic_comes_to_the_caller_and_the_pool_goes_on() {
    let pool = Pool::new(3);
    for round in 0..20 {
        let count = std::sync::atomic::AtomicUsize::new(0);
        let run = std::panic::AssertUnwindSafe(|| {
            pool.run(100, &|part| {
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                assert!(!part.is_multiple_of(round + 2), "as planned");
            });
        });
        assert!(std::panic::catch_unwind(run).is_err());
        assert_eq!(count.into_inner(), 100);
    }
    // Two at once, and one within another.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut all = vec![0_u32; 1000];
                    pool.chunks(&mut all, 7, |index, chunk| {
                        pool.run(2, &|_| {});
                        chunk.fill(index as u32);
                    });
                    assert!(
                        all.iter()
                            .enumerate()
                            .all(|(at, &value)| value as usize == at / 7)
                    );
                }
            });
        }
    });
}

/// Every product, in the order of the rows of x.
fn many(path: Path, pool: &Pool, owned: &Owned, x: &Rows) -> Vec<f32> {
    let (rows, panels) = (x.rows(), owned.row_scales.len().div_ceil(PANEL));
    let mut products = vec![f32::NAN; panels * rows * PANEL];
    multiply_many(path, pool, &owned.matrix(), x, &mut products);
    let row = |row: usize| (0..owned.row_scales.len()).map(move |at| [at / PANEL, row, at % PANEL]);
    let places = (0..rows).flat_map(row);
    places
        .map(|[panel, row, at]| products[(panel * rows + row) * PANEL + at])
        .collect()
}

#[test]
fn many_rows_have_the_same_bits_on_every_path_and_thread() {
    let mut noise = Noise(4);
    let pool = Pool::new(3);
    for bits in [Bits::Four, Bits::Eight] {
        for [rows, columns] in SHAPES {
            for x_rows in [1, 3, 8, 13] {
                let owned = Owned::new(&mut noise, bits, rows, columns);
                let values = noise.floats(x_rows * columns);
                let mut x = Rows::default();
                x.set(&pool, &values, columns);
                let expected = many(Path::SCALAR, &Pool::new(1), &owned, &x);
                for path in Path::available() {
                    let found = many(path, &pool, &owned, &x);
                    let bits_of =
                        |all: &[f32]| all.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    assert_eq!(
                        bits_of(&found),
                        bits_of(&expected),
                        "{path:?} {bits:?} {rows} x {columns}, {x_rows}"
                    );
                }
                // As one row after the other, but for the order of the sums.
                for (row, values) in values.chunks_exact(columns).enumerate() {
                    let mut x = Activations::default();
                    x.set(values, columns, bits);
                    let mut few = vec![0.0; rows];
                    Path::SCALAR.multiply(&owned.matrix(), 0, &x, &mut few);
                    let most = few
                        .iter()
                        .fold(1e-3_f32, |most, value| most.max(value.abs()));
                    for (few, many) in few.iter().zip(&expected[row * rows..]) {
                        assert!((few - many).abs() <= 1e-5 * most, "{few} {many}");
                    }
                }
            }
        }
    }
}
