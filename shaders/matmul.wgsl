// y = x W^T for many rows of x, W in f32.
//
//   x    [rows, columns]     columns = quads * 4
//   w    [outputs, columns]
//   out  [rows, outputs]
//
// One workgroup: TILE rows of x by TILE rows of W, DEPTH columns at a time. A thread has 8 x 8 of the results: four
// rows at TILE / 8 * its place and four half a tile further, so that neighbours read neighbouring vectors.
// f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const TILE: u32 = 64u;
const QUADS: u32 = 16u;           // of rows in a tile: TILE / 4
const HALF: u32 = 32u;            // TILE / 2
const DEPTH: u32 = 32u;

struct Params {
    quads: u32,               // of columns
    outputs: u32,
    rows: u32,                // of x
    pad: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// [column][four rows]
var<workgroup> x_tile: array<vec4<f32>, 512>;   // DEPTH * QUADS
var<workgroup> w_tile: array<vec4<f32>, 512>;

// Four columns of a row of x or W. Rows behind the last are the last: nothing is made of them. Columns behind the
// last are zeros.
fn of_x(row: u32, quad: u32) -> vec4<f32> {
    if (quad >= params.quads) { return vec4<f32>(0.0); }
    return x[min(row, params.rows - 1u) * params.quads + quad];
}

fn of_w(row: u32, quad: u32) -> vec4<f32> {
    if (quad >= params.quads) { return vec4<f32>(0.0); }
    return w[min(row, params.outputs - 1u) * params.quads + quad];
}

// Four rows by four columns of each, turned.
fn fill(x_row: u32, w_row: u32, quad: u32, to: u32) {
    let x0 = of_x(x_row, quad);
    let x1 = of_x(x_row + 1u, quad);
    let x2 = of_x(x_row + 2u, quad);
    let x3 = of_x(x_row + 3u, quad);
    x_tile[to] = vec4<f32>(x0.x, x1.x, x2.x, x3.x);
    x_tile[to + QUADS] = vec4<f32>(x0.y, x1.y, x2.y, x3.y);
    x_tile[to + 2u * QUADS] = vec4<f32>(x0.z, x1.z, x2.z, x3.z);
    x_tile[to + 3u * QUADS] = vec4<f32>(x0.w, x1.w, x2.w, x3.w);
    let w0 = of_w(w_row, quad);
    let w1 = of_w(w_row + 1u, quad);
    let w2 = of_w(w_row + 2u, quad);
    let w3 = of_w(w_row + 3u, quad);
    w_tile[to] = vec4<f32>(w0.x, w1.x, w2.x, w3.x);
    w_tile[to + QUADS] = vec4<f32>(w0.y, w1.y, w2.y, w3.y);
    w_tile[to + 2u * QUADS] = vec4<f32>(w0.z, w1.z, w2.z, w3.z);
    w_tile[to + 3u * QUADS] = vec4<f32>(w0.w, w1.w, w2.w, w3.w);
}

fn store(row: u32, output: u32, values: vec4<f32>) {
    if (row >= params.rows) { return; }
    let at = row * params.outputs + output;
    if (output < params.outputs) { out[at] = values.x; }
    if (output + 1u < params.outputs) { out[at + 1u] = values.y; }
    if (output + 2u < params.outputs) { out[at + 2u] = values.z; }
    if (output + 3u < params.outputs) { out[at + 3u] = values.w; }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_w = group.x * TILE;
    let first_x = group.y * TILE;
    // To fill the tiles: four rows, an eighth of the columns at a time.
    let fill_quad = thread % QUADS;
    let fill_part = thread / QUADS;
    let x_row = first_x + fill_quad * 4u;
    let w_row = first_w + fill_quad * 4u;
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

    for (var first = 0u; first < params.quads; first += DEPTH / 4u) {
        fill(x_row, w_row, first + fill_part, fill_part * 4u * QUADS + fill_quad);
        fill(x_row, w_row, first + fill_part + 4u, (fill_part + 4u) * 4u * QUADS + fill_quad);
        workgroupBarrier();
        for (var column = 0u; column < DEPTH; column += 1u) {
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
