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
// One workgroup: one set, one head, QUERIES rows. Keys go by in blocks of KEYS with a running
// maximum and sum, so no score outlives its block. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const QUERIES: u32 = 8u;
const KEYS: u32 = 64u;
const LANES: u32 = 8u;            // threads that share one query's maximum and sum
const MAX_HEAD_DIM: u32 = 256u;
const DIMS_PER_THREAD: u32 = 4u;  // MAX_HEAD_DIM / WORKGROUP_SIZE
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
    pad0: u32,
    pad1: u32,
    pad2: u32,
    tiles: array<vec4<u32>, 4>, // which local crops are alive along one axis
}

@group(0) @binding(0) var<storage, read_write> q: array<f32>;
@group(0) @binding(1) var<storage, read_write> k: array<f32>;
@group(0) @binding(2) var<storage, read_write> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> q_block: array<f32, 2048>;       // QUERIES * MAX_HEAD_DIM
var<workgroup> weights: array<f32, 512>;        // QUERIES * KEYS
var<workgroup> partial: array<f32, 64>;         // QUERIES * LANES
var<workgroup> row_max: array<f32, 8>;          // QUERIES
var<workgroup> row_sum: array<f32, 8>;
var<workgroup> rescale: array<f32, 8>;

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
    let tokens = h * h;
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let set_index = group.y;
    let head = group.z;
    let channels = params.heads * params.head_dim;
    let head_dim = params.head_dim;
    let tokens = params.tokens_per_side * params.tokens_per_side;
    let first_query = group.x * QUERIES;

    for (var i = thread; i < QUERIES * head_dim; i += WORKGROUP_SIZE) {
        let row = query_row(set_index, first_query + i / head_dim);
        var value = 0.0;
        if (row != NO_ROW) {
            value = q[row * channels + head * head_dim + i % head_dim] * params.scale;
        }
        q_block[(i / head_dim) * MAX_HEAD_DIM + i % head_dim] = value;
    }
    if (thread < QUERIES) {
        row_max[thread] = LOWEST;
        row_sum[thread] = 0.0;
    }
    // acc[c * QUERIES + i]: channel thread + c * WORKGROUP_SIZE of query i.
    var acc: array<f32, 32>;
    for (var i = 0u; i < DIMS_PER_THREAD * QUERIES; i += 1u) { acc[i] = 0.0; }
    workgroupBarrier();

    for (var key_first = 0u; key_first < tokens; key_first += KEYS) {
        // Scores: this thread's key against every query of the block.
        let key = key_first + thread;
        var score: array<f32, 8>;
        for (var i = 0u; i < QUERIES; i += 1u) { score[i] = 0.0; }
        if (key < tokens) {
            let base = (set_index * tokens + key) * channels + head * head_dim;
            for (var d = 0u; d < head_dim; d += 1u) {
                let key_value = k[base + d];
                for (var i = 0u; i < QUERIES; i += 1u) {
                    score[i] += q_block[i * MAX_HEAD_DIM + d] * key_value;
                }
            }
        }
        for (var i = 0u; i < QUERIES; i += 1u) {
            weights[i * KEYS + thread] = select(LOWEST, score[i], key < tokens);
        }
        workgroupBarrier();

        // Running maximum and sum, LANES threads a query.
        let query = thread / LANES;
        let lane = thread % LANES;
        var largest = LOWEST;
        for (var j = lane; j < KEYS; j += LANES) { largest = max(largest, weights[query * KEYS + j]); }
        partial[thread] = largest;
        workgroupBarrier();
        if (lane == 0u) {
            var new_max = row_max[query];
            for (var j = 0u; j < LANES; j += 1u) { new_max = max(new_max, partial[query * LANES + j]); }
            rescale[query] = exp(row_max[query] - new_max);
            row_max[query] = new_max;
        }
        workgroupBarrier();
        var sum = 0.0;
        for (var j = lane; j < KEYS; j += LANES) {
            var weight = 0.0;
            if (key_first + j < tokens) { weight = exp(weights[query * KEYS + j] - row_max[query]); }
            weights[query * KEYS + j] = weight;
            sum += weight;
        }
        partial[thread] = sum;
        workgroupBarrier();
        if (lane == 0u) {
            var total = row_sum[query] * rescale[query];
            for (var j = 0u; j < LANES; j += 1u) { total += partial[query * LANES + j]; }
            row_sum[query] = total;
        }

        // Values: each thread its channels, for all queries of the block.
        let keys_here = min(KEYS, tokens - key_first);
        for (var c = 0u; c < DIMS_PER_THREAD; c += 1u) {
            let d = thread + c * WORKGROUP_SIZE;
            if (d < head_dim) {
                for (var i = 0u; i < QUERIES; i += 1u) { acc[c * QUERIES + i] *= rescale[i]; }
                for (var j = 0u; j < keys_here; j += 1u) {
                    let value = v[(set_index * tokens + key_first + j) * channels + head * head_dim + d];
                    for (var i = 0u; i < QUERIES; i += 1u) {
                        acc[c * QUERIES + i] += weights[i * KEYS + j] * value;
                    }
                }
            }
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < QUERIES; i += 1u) {
        let row = query_row(set_index, first_query + i);
        if (row != NO_ROW) {
            for (var c = 0u; c < DIMS_PER_THREAD; c += 1u) {
                let d = thread + c * WORKGROUP_SIZE;
                if (d < head_dim) {
                    out[row * channels + head * head_dim + d] = acc[c * QUERIES + i] / row_sum[i];
                }
            }
        }
    }
}
