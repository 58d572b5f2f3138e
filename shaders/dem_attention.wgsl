// DEM attention (spec/model.md, section 4): softmax(Q K^T / sqrt(d)) V between the two maps, within
// the sets of either cut, without ever recombining a map. Sets are found by index arithmetic.
//
// A map position (y, x) has one row among the enhanced positions: residue (y mod N, x mod N), then
// token (y / N, x / N). Only rows whose residue is alive exist.
//
//   cut 0, tiles: the rows of one contiguous tile query that tile's keys (release: global enhancement).
//   cut 1, strided sets: the rows of one residue query its keys (release: local enhancement).
//
//   q, out  [rows, channels]              rows = (residue_count * h)^2
//   k, v    [sets, h * h, channels]       sets = tile_count^2 or residue_count^2
//
// One workgroup: one set, one head, QUERIES rows; keys go by in tiles of KEYS with a running maximum and sum, so that
// no score outlives its tile. A thread has the scores of 4 queries by 4 keys, then 4 queries by 4 channels of each CHUNK of
// the result. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const QUERIES: u32 = 32u;
const KEYS: u32 = 32u;
const CHUNK: u32 = 32u;           // channels at a time
const QUADS: u32 = 8u;            // QUERIES / 4, KEYS / 4 and CHUNK / 4
const MAX_HEAD_DIM: u32 = 256u;
const NO_ROW: u32 = 0xffffffffu;
const LOWEST: f32 = -3.0e38;

struct Params {
    crops_per_side: u32,      // N
    tokens_per_side: u32,     // h
    residue_first: u32,
    residue_count: u32,
    tile_count: u32,
    cut: u32,
    heads: u32,
    head_dim: u32,
    scale: f32,
    tokens: u32,              // of a set: h * h, but for self-attention, which is cut 1 with sets of any size
    pad0: u32,
    pad1: u32,
    tiles: array<vec4<u32>, 4>, // which local crops are alive along one axis
}

@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read_write> k: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> q_tile: array<vec4<f32>, 256>;    // [channel][four queries]
var<workgroup> kv_tile: array<vec4<f32>, 256>;   // keys: [channel][four keys]; values: [key][four channels]
var<workgroup> weights: array<vec4<f32>, 256>;   // [key][four queries]
var<workgroup> partial: array<vec4<f32>, 64>;    // [four keys][four queries]

// How many alive positions lie below v along one axis.
fn alive_below(v: u32) -> u32 {
    let whole = v / params.crops_per_side;
    let rest = v % params.crops_per_side;
    let rest_alive = min(max(rest, params.residue_first) - params.residue_first, params.residue_count);
    return whole * params.residue_count + rest_alive;
}

// The row of query `index` of set `set_index`, or NO_ROW past the end.
fn query_row(set_index: u32, index: u32) -> u32 {
    let h = params.tokens_per_side;
    let tokens = params.tokens;
    if (params.cut == 1u) {
        if (index >= tokens) { return NO_ROW; }
        return set_index * tokens + index;
    }
    let tile_y = params.tiles[(set_index / params.tile_count) / 4u][(set_index / params.tile_count) % 4u];
    let tile_x = params.tiles[(set_index % params.tile_count) / 4u][(set_index % params.tile_count) % 4u];
    let first_y = alive_below(tile_y * h);
    let first_x = alive_below(tile_x * h);
    let count_y = alive_below(tile_y * h + h) - first_y;
    let count_x = alive_below(tile_x * h + h) - first_x;
    if (index >= count_y * count_x) { return NO_ROW; }
    let alive_y = first_y + index / count_x;
    let alive_x = first_x + index % count_x;
    let residue = (alive_y % params.residue_count) * params.residue_count + alive_x % params.residue_count;
    let token = (alive_y / params.residue_count) * h + alive_x / params.residue_count;
    return residue * tokens + token;
}

// A channel of a row of all heads; a row that is not there is zeros.
fn q_at(row: u32, channel: u32) -> f32 {
    if (row == NO_ROW) { return 0.0; }
    return q[row * params.heads * params.head_dim + channel] * params.scale;
}

// Where the channels of a head of a key begin.
fn key_first(set_index: u32, head: u32, key: u32) -> u32 {
    return ((set_index * params.tokens + key) * params.heads + head) * params.head_dim;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let set_index = group.y;
    let head = group.z;
    let channels = params.heads * params.head_dim;
    let head_dim = params.head_dim;
    let tokens = params.tokens;
    let chunks = (head_dim + CHUNK - 1u) / CHUNK;
    // To fill the tiles: four rows by four channels a thread.
    let fill_quad = thread % QUADS;
    let fill_channel = thread / QUADS * 4u;
    let fill_query = group.x * QUERIES + fill_quad * 4u;
    let q_row = vec4<u32>(query_row(set_index, fill_query), query_row(set_index, fill_query + 1u),
        query_row(set_index, fill_query + 2u), query_row(set_index, fill_query + 3u));
    // For the results.
    let at_query = thread / QUADS;
    let at_key = thread % QUADS;

    var largest = vec4<f32>(LOWEST);      // of four queries
    var sum = vec4<f32>(0.0);             // of this thread's keys
    var acc: array<vec4<f32>, 32>;        // [chunk][query]: four channels
    for (var i = 0u; i < chunks * 4u; i += 1u) { acc[i] = vec4<f32>(0.0); }

    for (var first = 0u; first < tokens; first += KEYS) {
        // Scores, a vector of four keys for each of four queries.
        var s0 = vec4<f32>(0.0);
        var s1 = vec4<f32>(0.0);
        var s2 = vec4<f32>(0.0);
        var s3 = vec4<f32>(0.0);
        let keys = vec4<u32>(first + fill_quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        // A key behind the last is the last: its weight is nothing.
        let last = tokens - 1u;
        let base = vec4<u32>(key_first(set_index, head, min(keys.x, last)), key_first(set_index, head, min(keys.y, last)),
            key_first(set_index, head, min(keys.z, last)), key_first(set_index, head, min(keys.w, last)));
        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            for (var i = 0u; i < 4u; i += 1u) {
                let channel = chunk * CHUNK + fill_channel + i;
                let within = head * head_dim + channel;
                let to = (fill_channel + i) * QUADS + fill_quad;
                q_tile[to] = vec4<f32>(0.0);
                kv_tile[to] = vec4<f32>(0.0);
                if (channel < head_dim) {
                    q_tile[to] = vec4<f32>(q_at(q_row.x, within), q_at(q_row.y, within), q_at(q_row.z, within), q_at(q_row.w, within));
                    kv_tile[to] = vec4<f32>(k[base.x + channel], k[base.y + channel], k[base.z + channel], k[base.w + channel]);
                }
            }
            workgroupBarrier();
            for (var channel = 0u; channel < CHUNK; channel += 1u) {
                let queries = q_tile[channel * QUADS + at_query];
                let values = kv_tile[channel * QUADS + at_key];
                s0 += queries.x * values;
                s1 += queries.y * values;
                s2 += queries.z * values;
                s3 += queries.w * values;
            }
            workgroupBarrier();
        }
        let here = vec4<u32>(first + at_key * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(tokens);
        s0 = select(vec4<f32>(LOWEST), s0, here);
        s1 = select(vec4<f32>(LOWEST), s1, here);
        s2 = select(vec4<f32>(LOWEST), s2, here);
        s3 = select(vec4<f32>(LOWEST), s3, here);

        // Four keys a row of the scores turned: four queries a key.
        let k0 = vec4<f32>(s0.x, s1.x, s2.x, s3.x);
        let k1 = vec4<f32>(s0.y, s1.y, s2.y, s3.y);
        let k2 = vec4<f32>(s0.z, s1.z, s2.z, s3.z);
        let k3 = vec4<f32>(s0.w, s1.w, s2.w, s3.w);
        partial[at_key * QUADS + at_query] = max(max(k0, k1), max(k2, k3));
        workgroupBarrier();
        var now_largest = largest;
        for (var i = 0u; i < QUADS; i += 1u) { now_largest = max(now_largest, partial[i * QUADS + at_query]); }
        let rescale = exp(largest - now_largest);
        largest = now_largest;
        let w0 = exp(k0 - largest);
        let w1 = exp(k1 - largest);
        let w2 = exp(k2 - largest);
        let w3 = exp(k3 - largest);
        sum = sum * rescale + w0 + w1 + w2 + w3;
        let to = at_key * 4u * QUADS + at_query;
        weights[to] = w0;
        weights[to + QUADS] = w1;
        weights[to + 2u * QUADS] = w2;
        weights[to + 3u * QUADS] = w3;

        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            for (var i = 0u; i < 4u; i += 1u) {
                // Four channels of a key: eight threads a key.
                let key = i * QUADS + thread / QUADS;
                let channel = chunk * CHUNK + fill_quad * 4u;
                let base = key_first(set_index, head, min(first + key, tokens - 1u)) + channel;
                var values = vec4<f32>(0.0);
                if (channel + 3u < head_dim) {
                    values = vec4<f32>(v[base], v[base + 1u], v[base + 2u], v[base + 3u]);
                } else {
                    if (channel < head_dim) { values.x = v[base]; }
                    if (channel + 1u < head_dim) { values.y = v[base + 1u]; }
                    if (channel + 2u < head_dim) { values.z = v[base + 2u]; }
                }
                kv_tile[key * QUADS + fill_quad] = values;
            }
            workgroupBarrier();
            var a0 = acc[chunk * 4u] * rescale.x;
            var a1 = acc[chunk * 4u + 1u] * rescale.y;
            var a2 = acc[chunk * 4u + 2u] * rescale.z;
            var a3 = acc[chunk * 4u + 3u] * rescale.w;
            for (var key = 0u; key < KEYS; key += 1u) {
                let weight = weights[key * QUADS + at_query];
                let values = kv_tile[key * QUADS + at_key];
                a0 += weight.x * values;
                a1 += weight.y * values;
                a2 += weight.z * values;
                a3 += weight.w * values;
            }
            acc[chunk * 4u] = a0;
            acc[chunk * 4u + 1u] = a1;
            acc[chunk * 4u + 2u] = a2;
            acc[chunk * 4u + 3u] = a3;
            workgroupBarrier();
        }
    }

    partial[at_key * QUADS + at_query] = sum;
    workgroupBarrier();
    var total = vec4<f32>(0.0);
    for (var i = 0u; i < QUADS; i += 1u) { total += partial[i * QUADS + at_query]; }
    for (var i = 0u; i < 4u; i += 1u) {
        let row = query_row(set_index, group.x * QUERIES + at_query * 4u + i);
        if (row == NO_ROW) { continue; }
        for (var chunk = 0u; chunk < chunks; chunk += 1u) {
            let values = acc[chunk * 4u + i] / total[i];
            let channel = chunk * CHUNK + at_key * 4u;
            let at = row * channels + head * head_dim + channel;
            if (channel < head_dim) { out[at] = values.x; }
            if (channel + 1u < head_dim) { out[at + 1u] = values.y; }
            if (channel + 2u < head_dim) { out[at + 2u] = values.z; }
            if (channel + 3u < head_dim) { out[at + 3u] = values.w; }
        }
    }
}
