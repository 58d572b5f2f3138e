// y = x W^T for many rows of x, W quantised (docs/FORMAT.md): a tile of weights is dequantised into workgroup
// memory once for all rows of the tile of x.
//
//   x    [rows, columns]     columns = blocks * 32
//   w    codes, then block scales, of `piece_rows` rows of W, as they lie in a shard
//   row_scales  [piece_rows]
//   out  [rows, outputs]     this launch writes the columns first_output .. first_output + piece_rows
//
// One workgroup: TILE rows of x by TILE rows of W, one block of columns at a time. A thread has 8 x 8 of the
// results: four rows at TILE / 8 * its place and four half a tile further, so that neighbours read neighbouring vectors.
// f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const TILE: u32 = 64u;
const QUADS: u32 = 16u;           // of rows in a tile: TILE / 4
const HALF: u32 = 32u;            // TILE / 2
const BLOCK: u32 = 32u;
const BITS: u32 = 4u;             // or 8, replaced when the pipeline is made

struct Params {
    columns: u32,
    piece_rows: u32,
    outputs: u32,
    first_output: u32,
    block_scales: u32,        // index of the first word of the block scales
    rows: u32,                // of x
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

// [column][four rows]
var<workgroup> x_tile: array<vec4<f32>, 512>;   // BLOCK * QUADS
var<workgroup> w_tile: array<vec4<f32>, 512>;

fn signed_byte(word: u32, index: u32) -> f32 {
    return f32(extractBits(i32(word), index * 8u, 8u));
}

// A block's scale within its row's.
fn block_scale(index: u32) -> f32 {
    return signed_byte(w[params.block_scales + index / 4u], index % 4u);
}

// What 4-bit codes stand for, those at bit `at` of four rows: steps that widen from zero.
fn levels(codes: vec4<u32>, at: u32) -> vec4<f32> {
    let t = vec4<f32>((codes >> vec4<u32>(at)) & vec4<u32>(15u)) - 8.0;
    return t * (t * t * 0.0078125 + 1.0);
}

fn signed_bytes(codes: vec4<u32>, at: u32) -> vec4<f32> {
    return vec4<f32>((vec4<i32>(codes) << vec4<u32>(24u - at)) >> vec4<u32>(24u));
}

// Rows behind the last are the last: nothing is made of them.
fn w_row(row: u32) -> u32 { return min(row, params.piece_rows - 1u); }
fn x_row(row: u32) -> u32 { return min(row, params.rows - 1u); }

// Four rows by four columns of x, turned.
fn fill_x(row: u32, column: u32, to: u32) {
    let quads = params.columns / 4u;
    let r0 = x[x_row(row) * quads + column];
    let r1 = x[x_row(row + 1u) * quads + column];
    let r2 = x[x_row(row + 2u) * quads + column];
    let r3 = x[x_row(row + 3u) * quads + column];
    x_tile[to] = vec4<f32>(r0.x, r1.x, r2.x, r3.x);
    x_tile[to + QUADS] = vec4<f32>(r0.y, r1.y, r2.y, r3.y);
    x_tile[to + 2u * QUADS] = vec4<f32>(r0.z, r1.z, r2.z, r3.z);
    x_tile[to + 3u * QUADS] = vec4<f32>(r0.w, r1.w, r2.w, r3.w);
}

fn store(row: u32, output: u32, values: vec4<f32>) {
    if (row >= params.rows) { return; }
    let at = row * params.outputs + params.first_output + output;
    if (output < params.piece_rows) { out[at] = values.x; }
    if (output + 1u < params.piece_rows) { out[at + 1u] = values.y; }
    if (output + 2u < params.piece_rows) { out[at + 2u] = values.z; }
    if (output + 3u < params.piece_rows) { out[at + 3u] = values.w; }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_w = group.x * TILE;
    let first_x = group.y * TILE;
    let blocks = params.columns / BLOCK;
    // To fill the tiles: four rows, an eighth of a block's columns.
    let fill_quad = thread % QUADS;
    let fill_part = thread / QUADS;
    let row = first_w + fill_quad * 4u;
    let row_scale = vec4<f32>(
        row_scales[w_row(row)], row_scales[w_row(row + 1u)], row_scales[w_row(row + 2u)], row_scales[w_row(row + 3u)]);
    // For the results.
    let at_x = thread / 8u;
    let at_w = thread % 8u;
    var c00 = vec4<f32>(0.0); var c01 = vec4<f32>(0.0);
    var c10 = vec4<f32>(0.0); var c11 = vec4<f32>(0.0);
    var c20 = vec4<f32>(0.0); var c21 = vec4<f32>(0.0);
    var c30 = vec4<f32>(0.0); var c31 = vec4<f32>(0.0);
    var c40 = vec4<f32>(0.0); var c41 = vec4<f32>(0.0);
    var c50 = vec4<f32>(0.0); var c51 = vec4<f32>(0.0);
    var c60 = vec4<f32>(0.0); var c61 = vec4<f32>(0.0);
    var c70 = vec4<f32>(0.0); var c71 = vec4<f32>(0.0);

    for (var block = 0u; block < blocks; block += 1u) {
        fill_x(first_x + fill_quad * 4u, block * 8u + fill_part, fill_part * 4u * QUADS + fill_quad);
        fill_x(first_x + fill_quad * 4u, block * 8u + fill_part + 4u, (fill_part + 4u) * 4u * QUADS + fill_quad);

        let i0 = w_row(row) * blocks + block;
        let i1 = w_row(row + 1u) * blocks + block;
        let i2 = w_row(row + 2u) * blocks + block;
        let i3 = w_row(row + 3u) * blocks + block;
        let scale = row_scale * vec4<f32>(block_scale(i0), block_scale(i1), block_scale(i2), block_scale(i3));
        let to = fill_part * 8u * QUADS + fill_quad;
        if (BITS == 4u) {
            let codes = vec4<u32>(w[i0 * 4u + fill_part], w[i1 * 4u + fill_part], w[i2 * 4u + fill_part], w[i3 * 4u + fill_part]);
            for (var i = 0u; i < 8u; i += 1u) { w_tile[to + i * QUADS] = scale * levels(codes, i * 4u); }
        } else {
            for (var half = 0u; half < 2u; half += 1u) {
                let word = fill_part * 2u + half;
                let codes = vec4<u32>(w[i0 * 8u + word], w[i1 * 8u + word], w[i2 * 8u + word], w[i3 * 8u + word]);
                for (var i = 0u; i < 4u; i += 1u) {
                    w_tile[to + (half * 4u + i) * QUADS] = scale * signed_bytes(codes, i * 8u);
                }
            }
        }
        workgroupBarrier();
        for (var column = 0u; column < BLOCK; column += 1u) {
            let at = column * QUADS;
            let x0 = x_tile[at + at_x];
            let x1 = x_tile[at + 8u + at_x];
            let w0 = w_tile[at + at_w];
            let w1 = w_tile[at + 8u + at_w];
            c00 += x0.x * w0; c01 += x0.x * w1;
            c10 += x0.y * w0; c11 += x0.y * w1;
            c20 += x0.z * w0; c21 += x0.z * w1;
            c30 += x0.w * w0; c31 += x0.w * w1;
            c40 += x1.x * w0; c41 += x1.x * w1;
            c50 += x1.y * w0; c51 += x1.y * w1;
            c60 += x1.z * w0; c61 += x1.z * w1;
            c70 += x1.w * w0; c71 += x1.w * w1;
        }
        workgroupBarrier();
    }

    let output = first_w + at_w * 4u;
    let near = first_x + at_x * 4u;
    let far = near + HALF;
    store(near, output, c00); store(near, output + HALF, c01);
    store(near + 1u, output, c10); store(near + 1u, output + HALF, c11);
    store(near + 2u, output, c20); store(near + 2u, output + HALF, c21);
    store(near + 3u, output, c30); store(near + 3u, output + HALF, c31);
    store(far, output, c40); store(far, output + HALF, c41);
    store(far + 1u, output, c50); store(far + 1u, output + HALF, c51);
    store(far + 2u, output, c60); store(far + 2u, output + HALF, c61);
    store(far + 3u, output, c70); store(far + 3u, output + HALF, c71);
}
