// The attention weights that a token gives to the keys of a window, for each head: softmax(q K^T / sqrt(d)) over all
// keys that it attends to, of which those in the window are output. Token i attends to the keys up to start + i.
//
//   q     [tokens, heads, head_dim]
//   keys  [key_heads, capacity, head_dim]
//   out   [tokens, heads, window]
//
// One workgroup: one token, one head. A thread processes every 64th key, and then every 64th key of the window.
// head_dim is a multiple of 4. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const MAX_HEAD_DIM: u32 = 256u;
const LOWEST: f32 = -1.0e30;

struct Params {
    start: u32,
    heads: u32,
    group: u32,               // query heads per key head
    quads: u32,               // of head_dim
    capacity: u32,
    first: u32,               // of the window
    window: u32,
    scale: f32,
    sliding: u32,             // the most keys that a token attends to, the last ones
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<storage, read_write> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> query: array<vec4<f32>, 64>;      // MAX_HEAD_DIM / 4
var<workgroup> largest: array<f32, 64>;          // of each thread's scores
var<workgroup> sums: array<f32, 64>;

fn score(key_first: u32, key: u32) -> f32 {
    let at = key_first + key * params.quads;
    var sum = vec4<f32>(0.0);
    for (var quad = 0u; quad < params.quads; quad += 1u) { sum += query[quad] * keys[at + quad]; }
    return dot(sum, vec4<f32>(params.scale));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x * params.heads + group.y;
    let key_first = group.y / params.group * params.capacity * params.quads;
    let seen = params.start + group.x + 1u;
    let begin = seen - min(seen, params.sliding);
    if (thread < params.quads) { query[thread] = q[row * params.quads + thread]; }
    workgroupBarrier();

    var most = LOWEST;
    var sum = 0.0;
    for (var key = begin + thread; key < seen; key += WORKGROUP_SIZE) {
        let here = score(key_first, key);
        let now = max(most, here);
        sum = sum * exp(most - now) + exp(here - now);
        most = now;
    }
    largest[thread] = most;
    sums[thread] = sum;
    workgroupBarrier();
    for (var i = 0u; i < WORKGROUP_SIZE; i += 1u) { most = max(most, largest[i]); }
    sum = 0.0;
    for (var i = 0u; i < WORKGROUP_SIZE; i += 1u) { sum += sums[i] * exp(largest[i] - most); }

    for (var at = thread; at < params.window; at += WORKGROUP_SIZE) {
        let key = params.first + at;
        // A key that the token does not attend to has weight 0.
        var share = 0.0;
        if (key >= begin && key < seen) { share = exp(score(key_first, key) - most) / sum; }
        out[row * params.window + at] = share;
    }
}
