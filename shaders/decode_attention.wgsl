// Attention of few tokens to a long cache, split over the cache: each split has its own maximum and sum, and
// `decode_combine.wgsl` combines the splits. Token i attends to the keys up to start + i, the last `window` of them.
//
//   q             [tokens, heads, head_dim]
//   keys, values  [key_heads, capacity, head_dim]
//   out           [tokens, heads, splits, head_dim + 4]  a split's result, not yet divided, then its sum and maximum
//
// One workgroup: one token, FOUR of the heads that share a key head, SPAN keys. A thread computes the scores of some
// keys for all four heads, then some channels of some keys, so that what it reads is used for all four heads.
// head_dim is a multiple of 4. f32, portable limits; a variant finds the largest score with subgroup operations.

const WORKGROUP_SIZE: u32 = 64u;
// Replaced when the pipeline is made:
const LANES: u32 = 1u;            // threads that find their maximum with subgroup operations

const SPAN: u32 = 256u;
const FOUR: u32 = 4u;
const MAX_HEAD_DIM: u32 = 256u;
const LOWEST: f32 = -1.0e30;

struct Params {
    tokens: u32,
    start: u32,
    heads: u32,
    group: u32,               // query heads per key head
    head_dim: u32,
    capacity: u32,
    splits: u32,
    scale: f32,
    window: u32,
    first_split: u32,         // the first split that any token attends to
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read_write> keys: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> values: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> queries: array<vec4<f32>, 256>;   // [channel] of four heads; later the results of each thread
var<workgroup> weights: array<vec4<f32>, 256>;   // [key] of four heads
var<workgroup> partial: array<vec4<f32>, 64>;    // [thread] of four heads

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let head_dim = params.head_dim;
    let quads = head_dim / 4u;
    let split = group.x;
    let token = group.z;
    let fours = (params.group + FOUR - 1u) / FOUR;
    let key_head = group.y / fours;
    let head = key_head * params.group + group.y % fours * FOUR;
    // How many of the four heads exist.
    let count = min(FOUR, params.group - group.y % fours * FOUR);
    let first = (params.first_split + split) * SPAN;
    // At least one key: the last split begins before the last token's end. A token that ends earlier attends to none
    // of its keys.
    let seen = params.start + token + 1u;
    let end = min(first + SPAN, seen);
    let begin = seen - min(seen, params.window);
    let base = key_head * params.capacity * quads;

    for (var channel = thread; channel < head_dim; channel += WORKGROUP_SIZE) {
        let at = (token * params.heads + head) * head_dim + channel;
        // A head that does not exist is replaced by the last one; its result is not stored.
        queries[channel] = params.scale * vec4<f32>(q[at], q[at + min(1u, count - 1u) * head_dim],
            q[at + min(2u, count - 1u) * head_dim], q[at + min(3u, count - 1u) * head_dim]);
    }
    workgroupBarrier();

    var largest = vec4<f32>(LOWEST);
    for (var key = thread; key < SPAN; key += WORKGROUP_SIZE) {
        var score = vec4<f32>(LOWEST);
        if (first + key >= begin && first + key < end) {
            score = vec4<f32>(0.0);
            let at = base + (first + key) * quads;
            for (var quad = 0u; quad < quads; quad += 1u) {
                let channels = keys[at + quad];
                score += queries[quad * 4u] * channels.x + queries[quad * 4u + 1u] * channels.y
                    + queries[quad * 4u + 2u] * channels.z + queries[quad * 4u + 3u] * channels.w;
            }
        }
        weights[key] = score;
        largest = max(largest, score);
    }
    //SUBGROUPS for (var step = 1u; step < LANES; step *= 2u) { largest = max(largest, subgroupShuffleXor(largest, step)); }
    partial[thread] = largest;
    workgroupBarrier();
    for (var i = 0u; i < WORKGROUP_SIZE; i += LANES) { largest = max(largest, partial[i]); }
    for (var key = thread; key < SPAN; key += WORKGROUP_SIZE) {
        weights[key] = select(vec4<f32>(0.0), exp(weights[key] - largest),
            first + key >= begin && first + key < end);
    }
    workgroupBarrier();

    // One quad of channels, for every parts-th key.
    let parts = WORKGROUP_SIZE / quads;
    let quad = thread % quads;
    let part = thread / quads;
    var sum = vec4<f32>(0.0);
    var a = vec4<f32>(0.0);
    var b = vec4<f32>(0.0);
    var c = vec4<f32>(0.0);
    var d = vec4<f32>(0.0);
    if (part < parts) {
        for (var key = first + part; key < end; key += parts) {
            let weight = weights[key - first];
            let channels = values[base + key * quads + quad];
            sum += weight;
            a += weight.x * channels;
            b += weight.y * channels;
            c += weight.z * channels;
            d += weight.w * channels;
        }
    }
    // One head at a time: the threads' results for one head fit into the memory of the queries.
    partial[thread] = sum;
    for (var i = 0u; i < count; i += 1u) {
        workgroupBarrier();
        var found = a;
        if (i == 1u) { found = b; }
        if (i == 2u) { found = c; }
        if (i == 3u) { found = d; }
        queries[thread] = found;
        workgroupBarrier();
        let to = ((token * params.heads + head + i) * params.splits + split) * (quads + 1u);
        if (thread < quads) {
            var total = vec4<f32>(0.0);
            for (var j = 0u; j < parts; j += 1u) { total += queries[j * quads + thread]; }
            out[to + thread] = total;
        }
        if (thread == 0u) {
            var total = 0.0;
            for (var j = 0u; j < parts; j += 1u) { total += partial[j * quads][i]; }
            out[to + quads] = vec4<f32>(total, largest[i], 0.0, 0.0);
        }
    }
}
