//! Attention of few new tokens to the keys and values of all tokens so far.

#[cfg(target_arch = "x86_64")]
use crate::dot::Kind;
use crate::dot::Path;
use crate::lanes::{dot, exp};
use crate::pool::Pool;

/// Sizes of an attention to a cache.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads, each of which serves `heads / key_heads` query heads.
    pub key_heads: usize,
    /// Channels of a head.
    pub head_dim: usize,
    /// Tokens that the cache has room for.
    pub capacity: usize,
    /// Position of the first new token.
    pub start: usize,
    /// The most tokens that a token attends to, itself included.
    pub window: usize,
}

/// A query head of a token, and what it sees: `[seen, head_dim]` keys and values.
struct Head<'a> {
    q: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
}

/// `softmax(q k^T / sqrt(head_dim)) v` of `q` `[tokens, heads * head_dim]`, whose token i attends to the positions up to `start + i`
/// of `keys` and `values` `[key_heads, capacity, head_dim]`. Written to `out`, which has the shape of `q`.
pub fn attend(
    path: Path,
    pool: &Pool,
    sizes: &Attention,
    q: &[f32],
    [keys, values]: [&[f32]; 2],
    out: &mut [f32],
) {
    let &Attention {
        heads,
        key_heads,
        head_dim,
        capacity,
        start,
        window,
    } = sizes;
    let group = heads / key_heads;
    pool.chunks(out, head_dim, |index, out| {
        let (token, head) = (index / heads, index % heads);
        let end = start + token + 1;
        let first = end.saturating_sub(window);
        let of_head = head / group * capacity * head_dim;
        let seen = of_head + first * head_dim..of_head + end * head_dim;
        let head = Head {
            q: &q[index * head_dim..][..head_dim],
            keys: &keys[seen.clone()],
            values: &values[seen],
        };
        path.with_head(head, out);
    });
}

impl Path {
    fn with_head(self, head: Head<'_>, out: &mut [f32]) {
        match self.0 {
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Avx512Vnni => unsafe { mix_avx512(head, out) },
            // SAFETY: a path is made of what the processor has.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { mix_avx2(head, out) },
            _ => mix(head, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2")]
fn mix_avx512(head: Head<'_>, out: &mut [f32]) {
    mix(head, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn mix_avx2(head: Head<'_>, out: &mut [f32]) {
    mix(head, out);
}

#[inline(always)]
fn mix(Head { q, keys, values }: Head<'_>, out: &mut [f32]) {
    let scale = 1.0 / (q.len() as f32).sqrt();
    let keys = keys.chunks_exact(q.len());
    let mut scores: Vec<f32> = keys.map(|key| dot(q, key) * scale).collect();
    let larger = |most, &score| if score > most { score } else { most };
    let most = scores.iter().fold(f32::NEG_INFINITY, larger);
    for score in &mut scores {
        *score = exp(*score - most);
    }
    let total: f32 = scores.iter().sum();
    out.fill(0.0);
    for (value, &weight) in values.chunks_exact(q.len()).zip(&scores) {
        for (out, &value) in out.iter_mut().zip(value) {
            *out += weight * value;
        }
    }
    let share = 1.0 / total;
    for out in out {
        *out *= share;
    }
}
