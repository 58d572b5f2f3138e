//! Attention of many tokens. Keys, transposed, and values are packed for each head; then four queries at a time are multiplied with
//! all keys that they see, and their weights with the values.

#[cfg(target_arch = "x86_64")]
use crate::dot::Kind;
use crate::dot::Path;
use crate::lanes::exp;
use crate::pool::Pool;

/// Queries that are multiplied with a vector while it is loaded.
const ROWS: usize = 4;
/// Columns of a product at a time: two vectors of 512 bits.
const COLUMNS: usize = 32;
/// Queries of a thread's part.
const PART: usize = 16;

/// Where the heads of an attention lie. A row's head `h` begins at `h * head_dim`.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads, each of which serves `heads / key_heads` query heads.
    pub key_heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Keys of each head.
    pub keys: usize,
    /// From a key of a head to the next, and from a head to the next, in the keys and in the values.
    pub strides: [usize; 2],
    /// Query i sees the keys up to `start + i`, and of these the last `window`. None: all.
    pub causal: Option<Causal>,
}

/// Which keys a query sees.
#[derive(Debug, Clone, Copy)]
pub struct Causal {
    /// Keys before the first query's own.
    pub start: usize,
    /// The most keys that a query sees, its own included.
    pub window: usize,
}

/// A head's keys and values, filled up with zeros.
struct Packed<'a> {
    /// `[head_dim, keys]`.
    keys: &'a [f32],
    /// `[keys, head_dim]`.
    values: &'a [f32],
    /// Keys, and channels of a value.
    padded: [usize; 2],
}

/// `softmax(q k^T / sqrt(head_dim)) v` of `q` `[queries, heads * head_dim]`, into `out` of the same shape.
pub fn attend_many(
    path: Path,
    pool: &Pool,
    heads: &Heads,
    q: &[f32],
    [keys, values]: [&[f32]; 2],
    out: &mut [f32],
) {
    let dim = heads.head_dim;
    let padded = [heads.keys, dim].map(|size| size.next_multiple_of(COLUMNS));
    let sizes = [dim * padded[0], heads.keys * padded[1]];
    let mut packed = vec![0.0; heads.key_heads * (sizes[0] + sizes[1])];
    let [by_key, by_head] = heads.strides;
    pool.chunks(&mut packed, sizes[0] + sizes[1], |head, packed| {
        let (to_keys, to_values) = packed.split_at_mut(sizes[0]);
        for key in 0..heads.keys {
            let at = head * by_head + key * by_key;
            for (channel, &value) in keys[at..at + dim].iter().enumerate() {
                to_keys[channel * padded[0] + key] = value;
            }
            to_values[key * padded[1]..][..dim].copy_from_slice(&values[at..at + dim]);
        }
    });
    let channels = heads.heads * dim;
    let group = heads.heads / heads.key_heads;
    pool.chunks(out, PART * channels, |part, out| {
        let first = part * PART;
        let mut scores = vec![0.0; ROWS * padded[0]];
        for head in 0..heads.heads {
            let packed = &packed[head / group * (sizes[0] + sizes[1])..];
            let packed = Packed {
                keys: &packed[..sizes[0]],
                values: &packed[sizes[0]..][..sizes[1]],
                padded,
            };
            for (block, out) in out.chunks_mut(ROWS * channels).enumerate() {
                let first = first + block * ROWS;
                let q = &q[first * channels..][..out.len()];
                path.with_block(heads, &packed, [first, head * dim], q, out, &mut scores);
            }
        }
    });
}

impl Path {
    fn with_block(
        self,
        heads: &Heads,
        packed: &Packed<'_>,
        at: [usize; 2],
        q: &[f32],
        out: &mut [f32],
        scores: &mut [f32],
    ) {
        match self.0 {
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Vnni => unsafe {
                block_avx512(heads, packed, at, q, out, scores)
            },
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { block_avx2(heads, packed, at, q, out, scores) },
            _ => block(heads, packed, at, q, out, scores),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn block_avx512(
    heads: &Heads,
    packed: &Packed<'_>,
    at: [usize; 2],
    q: &[f32],
    out: &mut [f32],
    scores: &mut [f32],
) {
    block(heads, packed, at, q, out, scores);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn block_avx2(
    heads: &Heads,
    packed: &Packed<'_>,
    at: [usize; 2],
    q: &[f32],
    out: &mut [f32],
    scores: &mut [f32],
) {
    block(heads, packed, at, q, out, scores);
}

/// Up to [`ROWS`] queries, the first of which is number `first`, of the head that begins at `channel`.
#[inline(always)]
fn block(
    heads: &Heads,
    packed: &Packed<'_>,
    [first, channel]: [usize; 2],
    q: &[f32],
    out: &mut [f32],
    scores: &mut [f32],
) {
    let dim = heads.head_dim;
    let channels = heads.heads * dim;
    let [padded_keys, padded_dim] = packed.padded;
    let count = q.len() / channels;
    // The last query again where there are fewer.
    let rows: [usize; ROWS] = std::array::from_fn(|row| row.min(count - 1));
    let seen = rows.map(|row| match heads.causal {
        None => 0..heads.keys,
        Some(Causal { start, window }) => {
            let end = start + first + row + 1;
            end.saturating_sub(window)..end
        }
    });
    let begin = seen[0].start / COLUMNS * COLUMNS;
    let end = seen[ROWS - 1].end.next_multiple_of(COLUMNS);
    let queries = rows.map(|row| &q[row * channels + channel..][..dim]);
    let scale = 1.0 / (dim as f32).sqrt();
    for column in (begin..end).step_by(COLUMNS) {
        let products = tile(queries, &packed.keys[column..], padded_keys);
        for (row, products) in products.iter().enumerate() {
            let to = &mut scores[row * padded_keys + column..][..COLUMNS];
            to.copy_from_slice(products);
        }
    }
    let mut shares = [0.0; ROWS];
    for (row, seen) in seen.iter().enumerate() {
        let scores = &mut scores[row * padded_keys..][..padded_keys];
        scores[begin..seen.start].fill(0.0);
        scores[seen.end..end].fill(0.0);
        shares[row] = 1.0 / soften(&mut scores[seen.clone()], scale);
    }
    let weights: [&[f32]; ROWS] = std::array::from_fn(|row| {
        &scores[row * padded_keys + begin..][..heads.keys.min(end) - begin]
    });
    for column in (0..padded_dim).step_by(COLUMNS) {
        let mixed = tile(
            weights,
            &packed.values[begin * padded_dim + column..],
            padded_dim,
        );
        let width = COLUMNS.min(dim - column);
        for row in 0..count {
            let to = &mut out[row * channels + channel + column..][..width];
            for (to, mixed) in to.iter_mut().zip(&mixed[row]) {
                *to = mixed * shares[row];
            }
        }
    }
}

/// `rows` times the matrix `b` of so many columns, of which the first [`COLUMNS`] are taken.
#[inline(always)]
fn tile(rows: [&[f32]; ROWS], b: &[f32], columns: usize) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0; COLUMNS]; ROWS];
    for (at, b) in (0..rows[0].len()).zip(b.chunks(columns)) {
        let Some(b) = b.first_chunk::<COLUMNS>() else {
            break;
        };
        for row in 0..ROWS {
            let a = rows[row][at];
            for lane in 0..COLUMNS {
                sums[row][lane] += a * b[lane];
            }
        }
    }
    sums
}

/// Turns scores into `e^(scale (score - the largest))`, and returns their sum.
#[inline(always)]
fn soften(scores: &mut [f32], scale: f32) -> f32 {
    let larger = |most, &score| if score > most { score } else { most };
    let most = scores.iter().fold(f32::NEG_INFINITY, larger);
    for score in scores.iter_mut() {
        *score = exp((*score - most) * scale);
    }
    crate::lanes::sum_of(scores)
}
