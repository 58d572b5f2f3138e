// Attention, softmax(Q K^T / sqrt(d)) V, in tiles of queries and keys. A running maximum and sum are kept, so that
// scores are needed only within their tile. Used by the vision tower (each crop attends to itself), by prefill (each
// token attends to itself and those before it), and by the enhancement, DEM (paper eq. 18-25), where the rows of a
// set are found by index arithmetic, without recombining a map.
//
//   CUT 0, tiles: the rows of one contiguous tile of the map query that tile's keys (release: global enhancement).
//   CUT 1, sets: the rows of one set query its keys (release: local enhancement, sets are residues; the tower: crops).
//   CUT 2, causal: row i queries the keys up to start + i, the last `window` of them; `group` heads share a key head.
//
//   q, out  [rows, heads, head_dim]
//   k, v    a key's head begins at set * key_set + key * key_token + head / group * key_head
//
// A map position (y, x) has one row among the enhanced positions, ordered by residue (y mod N, x mod N), then by
// token (y / N, x / N). Only the rows of computed residues exist.
//
// One workgroup: one set, one head, QUERIES rows. A thread computes the scores of 8 queries by 8 keys, then 8 queries
// by 8 channels of each CHUNK of the result: four, and four more half a tile further, so that neighbouring threads
// read neighbouring vectors. head_dim is a multiple of 4. f32, portable limits, no subgroups; a variant holds f16 in
// its tiles.

//HALF enable f16;
// The type of tiles of queries, keys and values: f16 in a variant; attention weights and sums stay f32.
alias Held = f32;

const WORKGROUP_SIZE: u32 = 64u;
const QUERIES: u32 = 64u;
const KEYS: u32 = 64u;
const HALF: u32 = 32u;            // of QUERIES, KEYS and CHUNK
const QUADS: u32 = 16u;           // of QUERIES, KEYS and CHUNK
const HALF_QUADS: u32 = 8u;
const DEPTH: u32 = 16u;           // channels of queries and keys at a time
const CHUNK: u32 = 64u;           // channels of values at a time
const MAX_HEAD_DIM: u32 = 256u;
const NO_ROW: u32 = 0xffffffffu;
const LOWEST: f32 = -1.0e30;
const FOUR: vec4<u32> = vec4<u32>(0u, 1u, 2u, 3u);
// Replaced when the pipeline is made:
const CUT: u32 = 0u;

struct Params {
    crops_per_side: u32,      // N
    tokens_per_side: u32,     // h
    residue_first: u32,
    residue_count: u32,
    tile_count: u32,
    queries: u32,             // per set; unused for tiles, whose count follows from the other fields
    heads: u32,
    head_dim: u32,
    scale: f32,
    keys: u32,                // of a set
    group: u32,
    start: u32,
    key_set: u32,
    key_token: u32,
    key_head: u32,
    first_head: u32,          // the first head of this launch
    first_query_tile: u32,    // of QUERIES
    window: u32,
    pad0: u32,
    pad1: u32,
    tiles: array<vec4<u32>, 4>, // which local crops are computed, along one axis
}

@group(0) @binding(0) var<storage, read_write> q: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> k: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

// Queries [channel][four queries], followed by keys [channel][four keys]; later values [key][four channels].
var<workgroup> tile: array<vec4<Held>, 512>;
const KEYS_AT: u32 = 256u;        // DEPTH * QUADS
// [key of a half][four queries]; or the largest scores, or the sums, [eight keys][four queries].
var<workgroup> weights: array<vec4<f32>, 512>;

// Converts to the type of the tiles. Some channels of real decoders exceed f16's largest value, 65504, and are
// clamped; NaN and infinity are kept.
fn held(v: vec4<f32>) -> vec4<Held> {
    var fits = v;
    //HALF fits = select(v, clamp(v, vec4<f32>(-65504.0), vec4<f32>(65504.0)), abs(v) <= vec4<f32>(3.0e38));
    return vec4<Held>(fits);
}

// The number of computed positions below v along one axis.
fn alive_below(v: u32) -> u32 {
    let whole = v / params.crops_per_side;
    let rest = v % params.crops_per_side;
    let rest_alive = min(max(rest, params.residue_first) - params.residue_first, params.residue_count);
    return whole * params.residue_count + rest_alive;
}

// The row of query `index` of set `set_index`, or NO_ROW past the end.
fn query_row(set_index: u32, index: u32) -> u32 {
    if (CUT != 0u) {
        if (index >= params.queries) { return NO_ROW; }
        return set_index * params.queries + index;
    }
    let h = params.tokens_per_side;
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
    return residue * h * h + token;
}

// The index of a row's head, in vectors; for NO_ROW that of the first row.
fn row_first(row: u32, head: u32) -> u32 {
    let head_quads = params.head_dim / 4u;
    return select(row, 0u, row == NO_ROW) * params.heads * head_quads + head * head_quads;
}

// How many keys each of four queries attends to, counted from the first key.
fn seen(query: u32) -> vec4<u32> {
    if (CUT != 2u) { return vec4<u32>(params.keys); }
    return min(params.start + query + FOUR + 1u, vec4<u32>(params.keys));
}

// Whether each of four queries attends to the key; `queries_seen` is the result of `seen`.
fn sees(queries_seen: vec4<u32>, key: u32) -> vec4<bool> {
    let before = vec4<u32>(key) < queries_seen;
    if (CUT != 2u) { return before; }
    return before & (vec4<u32>(key + params.window) >= queries_seen);
}

// Stores four rows by four channels transposed, as [channel][four rows].
fn put(to: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    tile[to] = held(vec4<f32>(a.x, b.x, c.x, d.x));
    tile[to + QUADS] = held(vec4<f32>(a.y, b.y, c.y, d.y));
    tile[to + 2u * QUADS] = held(vec4<f32>(a.z, b.z, c.z, d.z));
    tile[to + 3u * QUADS] = held(vec4<f32>(a.w, b.w, c.w, d.w));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let set_index = group.y;
    let head = params.first_head + group.z;
    let query_tile = params.first_query_tile + group.x;
    let head_quads = params.head_dim / 4u;
    let keys = params.keys;
    let scale = params.scale;
    let key_token = params.key_token / 4u;
    let key_first = (set_index * params.key_set + head / params.group * params.key_head) / 4u;
    // This thread's place when filling the tile: four queries or keys, or a value, by a quad of channels.
    let at_sixteen = thread % QUADS;
    let of_sixteen = thread / QUADS;
    let fill_query = query_tile * QUERIES + at_sixteen * 4u;
    let q_first = vec4<u32>(
        row_first(query_row(set_index, fill_query), head), row_first(query_row(set_index, fill_query + 1u), head),
        row_first(query_row(set_index, fill_query + 2u), head), row_first(query_row(set_index, fill_query + 3u), head));
    // This thread's place in the results.
    let at_query = thread / HALF_QUADS;
    let at_key = thread % HALF_QUADS;
    let near_query = query_tile * QUERIES + at_query * 4u;
    let near_seen = seen(near_query);
    let far_seen = seen(near_query + HALF);
    let end = min(keys, seen((query_tile + 1u) * QUERIES - 4u).w);
    // The tile of the first key that any of the queries attends to.
    var begin = 0u;
    if (CUT == 2u) {
        let least = seen(query_tile * QUERIES).x;
        begin = (least - min(least, params.window)) / KEYS * KEYS;
    }

    var near_largest = vec4<f32>(LOWEST);
    var far_largest = vec4<f32>(LOWEST);
    var near_sum = vec4<f32>(0.0);        // of this thread's keys
    var far_sum = vec4<f32>(0.0);
    var acc: array<vec4<f32>, 64>;        // [chunk][query][half]: four channels
    for (var i = 0u; i < 64u; i += 1u) { acc[i] = vec4<f32>(0.0); }

    for (var first = begin; first < end; first += KEYS) {
        // Scores: two vectors of four keys for each of eight queries.
        var s0 = vec4<f32>(0.0); var t0 = vec4<f32>(0.0);
        var s1 = vec4<f32>(0.0); var t1 = vec4<f32>(0.0);
        var s2 = vec4<f32>(0.0); var t2 = vec4<f32>(0.0);
        var s3 = vec4<f32>(0.0); var t3 = vec4<f32>(0.0);
        var s4 = vec4<f32>(0.0); var t4 = vec4<f32>(0.0);
        var s5 = vec4<f32>(0.0); var t5 = vec4<f32>(0.0);
        var s6 = vec4<f32>(0.0); var t6 = vec4<f32>(0.0);
        var s7 = vec4<f32>(0.0); var t7 = vec4<f32>(0.0);
        // Keys past the end are replaced by the last key: their weight is 0.
        let k_first = key_first + min(vec4<u32>(first + at_sixteen * 4u) + FOUR, vec4<u32>(keys - 1u)) * key_token;
        for (var depth = 0u; depth < head_quads; depth += DEPTH / 4u) {
            let quad = min(depth + of_sixteen, head_quads - 1u);
            // Channels past the end are zero in the queries, which is enough.
            let weight = select(0.0, scale, depth + of_sixteen < head_quads);
            let to = of_sixteen * 4u * QUADS + at_sixteen;
            let at = q_first + quad;
            put(to, q[at.x] * weight, q[at.y] * weight, q[at.z] * weight, q[at.w] * weight);
            let key_at = k_first + quad;
            put(KEYS_AT + to, k[key_at.x], k[key_at.y], k[key_at.z], k[key_at.w]);
            workgroupBarrier();
            for (var at = 0u; at < DEPTH * QUADS; at += QUADS) {
                let near = vec4<f32>(tile[at + at_query]);
                let far = vec4<f32>(tile[at + HALF_QUADS + at_query]);
                let near_keys = vec4<f32>(tile[KEYS_AT + at + at_key]);
                let far_keys = vec4<f32>(tile[KEYS_AT + HALF_QUADS + at + at_key]);
                s0 += near.x * near_keys; t0 += near.x * far_keys;
                s1 += near.y * near_keys; t1 += near.y * far_keys;
                s2 += near.z * near_keys; t2 += near.z * far_keys;
                s3 += near.w * near_keys; t3 += near.w * far_keys;
                s4 += far.x * near_keys; t4 += far.x * far_keys;
                s5 += far.y * near_keys; t5 += far.y * far_keys;
                s6 += far.z * near_keys; t6 += far.z * far_keys;
                s7 += far.w * near_keys; t7 += far.w * far_keys;
            }
            workgroupBarrier();
        }

        // The scores transposed: four queries per key. n and f are the near and far queries; the last four keys are
        // the far ones.
        let key = first + at_key * 4u;
        let n0 = select(vec4<f32>(LOWEST), vec4<f32>(s0.x, s1.x, s2.x, s3.x), sees(near_seen, key));
        let n1 = select(vec4<f32>(LOWEST), vec4<f32>(s0.y, s1.y, s2.y, s3.y), sees(near_seen, key + 1u));
        let n2 = select(vec4<f32>(LOWEST), vec4<f32>(s0.z, s1.z, s2.z, s3.z), sees(near_seen, key + 2u));
        let n3 = select(vec4<f32>(LOWEST), vec4<f32>(s0.w, s1.w, s2.w, s3.w), sees(near_seen, key + 3u));
        let n4 = select(vec4<f32>(LOWEST), vec4<f32>(t0.x, t1.x, t2.x, t3.x), sees(near_seen, key + 32u));
        let n5 = select(vec4<f32>(LOWEST), vec4<f32>(t0.y, t1.y, t2.y, t3.y), sees(near_seen, key + 33u));
        let n6 = select(vec4<f32>(LOWEST), vec4<f32>(t0.z, t1.z, t2.z, t3.z), sees(near_seen, key + 34u));
        let n7 = select(vec4<f32>(LOWEST), vec4<f32>(t0.w, t1.w, t2.w, t3.w), sees(near_seen, key + 35u));
        let f0 = select(vec4<f32>(LOWEST), vec4<f32>(s4.x, s5.x, s6.x, s7.x), sees(far_seen, key));
        let f1 = select(vec4<f32>(LOWEST), vec4<f32>(s4.y, s5.y, s6.y, s7.y), sees(far_seen, key + 1u));
        let f2 = select(vec4<f32>(LOWEST), vec4<f32>(s4.z, s5.z, s6.z, s7.z), sees(far_seen, key + 2u));
        let f3 = select(vec4<f32>(LOWEST), vec4<f32>(s4.w, s5.w, s6.w, s7.w), sees(far_seen, key + 3u));
        let f4 = select(vec4<f32>(LOWEST), vec4<f32>(t4.x, t5.x, t6.x, t7.x), sees(far_seen, key + 32u));
        let f5 = select(vec4<f32>(LOWEST), vec4<f32>(t4.y, t5.y, t6.y, t7.y), sees(far_seen, key + 33u));
        let f6 = select(vec4<f32>(LOWEST), vec4<f32>(t4.z, t5.z, t6.z, t7.z), sees(far_seen, key + 34u));
        let f7 = select(vec4<f32>(LOWEST), vec4<f32>(t4.w, t5.w, t6.w, t7.w), sees(far_seen, key + 35u));
        weights[at_key * QUADS + at_query] = max(max(max(n0, n1), max(n2, n3)), max(max(n4, n5), max(n6, n7)));
        weights[at_key * QUADS + HALF_QUADS + at_query] = max(max(max(f0, f1), max(f2, f3)), max(max(f4, f5), max(f6, f7)));
        workgroupBarrier();
        var near_now = near_largest;
        var far_now = far_largest;
        for (var i = 0u; i < HALF_QUADS; i += 1u) {
            near_now = max(near_now, weights[i * QUADS + at_query]);
            far_now = max(far_now, weights[i * QUADS + HALF_QUADS + at_query]);
        }
        workgroupBarrier();
        let near_rescale = exp(near_largest - near_now);
        let far_rescale = exp(far_largest - far_now);
        near_largest = near_now;
        far_largest = far_now;
        let wn0 = exp(n0 - near_now); let wf0 = exp(f0 - far_now);
        let wn1 = exp(n1 - near_now); let wf1 = exp(f1 - far_now);
        let wn2 = exp(n2 - near_now); let wf2 = exp(f2 - far_now);
        let wn3 = exp(n3 - near_now); let wf3 = exp(f3 - far_now);
        let wn4 = exp(n4 - near_now); let wf4 = exp(f4 - far_now);
        let wn5 = exp(n5 - near_now); let wf5 = exp(f5 - far_now);
        let wn6 = exp(n6 - near_now); let wf6 = exp(f6 - far_now);
        let wn7 = exp(n7 - near_now); let wf7 = exp(f7 - far_now);
        near_sum = near_sum * near_rescale + wn0 + wn1 + wn2 + wn3 + wn4 + wn5 + wn6 + wn7;
        far_sum = far_sum * far_rescale + wf0 + wf1 + wf2 + wf3 + wf4 + wf5 + wf6 + wf7;

        for (var chunk = 0u; chunk * QUADS < head_quads; chunk += 1u) {
            let at = chunk * 16u;
            var l0 = acc[at + 0u] * near_rescale.x; var r0 = acc[at + 1u] * near_rescale.x;
            var l1 = acc[at + 2u] * near_rescale.y; var r1 = acc[at + 3u] * near_rescale.y;
            var l2 = acc[at + 4u] * near_rescale.z; var r2 = acc[at + 5u] * near_rescale.z;
            var l3 = acc[at + 6u] * near_rescale.w; var r3 = acc[at + 7u] * near_rescale.w;
            var l4 = acc[at + 8u] * far_rescale.x; var r4 = acc[at + 9u] * far_rescale.x;
            var l5 = acc[at + 10u] * far_rescale.y; var r5 = acc[at + 11u] * far_rescale.y;
            var l6 = acc[at + 12u] * far_rescale.z; var r6 = acc[at + 13u] * far_rescale.z;
            var l7 = acc[at + 14u] * far_rescale.w; var r7 = acc[at + 15u] * far_rescale.w;
            let quad = key_first + min(chunk * QUADS + at_sixteen, head_quads - 1u);
            for (var half = 0u; half < KEYS; half += HALF) {
                let is_far = half == HALF;
                let to = at_key * 4u * QUADS + at_query;
                weights[to] = select(wn0, wn4, is_far);
                weights[to + HALF_QUADS] = select(wf0, wf4, is_far);
                weights[to + QUADS] = select(wn1, wn5, is_far);
                weights[to + QUADS + HALF_QUADS] = select(wf1, wf5, is_far);
                weights[to + 2u * QUADS] = select(wn2, wn6, is_far);
                weights[to + 2u * QUADS + HALF_QUADS] = select(wf2, wf6, is_far);
                weights[to + 3u * QUADS] = select(wn3, wn7, is_far);
                weights[to + 3u * QUADS + HALF_QUADS] = select(wf3, wf7, is_far);
                for (var i = 0u; i < HALF; i += 4u) {
                    tile[i * QUADS + thread] = held(v[quad + min(first + half + i + of_sixteen, keys - 1u) * key_token]);
                }
                workgroupBarrier();
                for (var key = 0u; key < HALF * QUADS; key += QUADS) {
                    let near = weights[key + at_query];
                    let far = weights[key + HALF_QUADS + at_query];
                    let left = vec4<f32>(tile[key + at_key]);
                    let right = vec4<f32>(tile[key + HALF_QUADS + at_key]);
                    l0 += near.x * left; r0 += near.x * right;
                    l1 += near.y * left; r1 += near.y * right;
                    l2 += near.z * left; r2 += near.z * right;
                    l3 += near.w * left; r3 += near.w * right;
                    l4 += far.x * left; r4 += far.x * right;
                    l5 += far.y * left; r5 += far.y * right;
                    l6 += far.z * left; r6 += far.z * right;
                    l7 += far.w * left; r7 += far.w * right;
                }
                workgroupBarrier();
            }
            acc[at + 0u] = l0; acc[at + 1u] = r0;
            acc[at + 2u] = l1; acc[at + 3u] = r1;
            acc[at + 4u] = l2; acc[at + 5u] = r2;
            acc[at + 6u] = l3; acc[at + 7u] = r3;
            acc[at + 8u] = l4; acc[at + 9u] = r4;
            acc[at + 10u] = l5; acc[at + 11u] = r5;
            acc[at + 12u] = l6; acc[at + 13u] = r6;
            acc[at + 14u] = l7; acc[at + 15u] = r7;
        }
    }

    weights[at_key * QUADS + at_query] = near_sum;
    weights[at_key * QUADS + HALF_QUADS + at_query] = far_sum;
    workgroupBarrier();
    var near_total = vec4<f32>(0.0);
    var far_total = vec4<f32>(0.0);
    for (var i = 0u; i < HALF_QUADS; i += 1u) {
        near_total += weights[i * QUADS + at_query];
        far_total += weights[i * QUADS + HALF_QUADS + at_query];
    }
    for (var i = 0u; i < 8u; i += 1u) {
        let is_far = i >= 4u;
        let row = query_row(set_index, near_query + i % 4u + select(0u, HALF, is_far));
        if (row == NO_ROW) { continue; }
        let total = select(near_total[i % 4u], far_total[i % 4u], is_far);
        let at = row_first(row, head);
        for (var chunk = 0u; chunk * QUADS < head_quads; chunk += 1u) {
            let left = chunk * QUADS + at_key;
            let right = left + HALF_QUADS;
            if (left < head_quads) { out[at + left] = acc[chunk * 16u + i * 2u] / total; }
            if (right < head_quads) { out[at + right] = acc[chunk * 16u + i * 2u + 1u] / total; }
        }
    }
}
