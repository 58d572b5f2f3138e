// y = x W^T for many rows of x, W in f32, with the operations that `matvec.wgsl` fuses, except the norm, which
// `norm.wgsl` computes once for all rows.
//
//   x         [rows, columns]     columns = quads * 4
//   w         [w_rows, columns]
//   bias      [outputs]
//   residual  [rows, outputs]
//   out       [rows, outputs]     this launch writes the columns from first_output on
//
// One workgroup: TILE rows of x by TILE rows of W, DEPTH columns at a time. A thread computes 8 x 8 results: four
// rows at 4 * its index, and four more half a tile further, so that neighbouring threads read neighbouring vectors.
// If GATED, the first half of a tile holds rows of the gate, the second half the rows that they gate. f32, portable
// limits, no subgroups; a variant holds f16 in its tiles.

//HALF enable f16;
// The type of the tiles: f16 in a variant; sums stay f32.
alias Held = f32;

const WORKGROUP_SIZE: u32 = 64u;
const TILE: u32 = 64u;
const QUADS: u32 = 16u;           // of rows in a tile: TILE / 4
const HALF: u32 = 32u;            // TILE / 2
const DEPTH: u32 = 32u;
// Replaced when the pipeline is made:
const GATED: u32 = 0u;

struct Params {
    columns: u32,
    w_rows: u32,
    outputs: u32,             // of a row of out
    first_output: u32,
    rows: u32,                // of x
    pad0: u32,
    flags: u32,
    pad1: u32,
    pad2: u32,
    first_tile: u32,          // in rows of W: the first tile of this launch
    first_x_tile: u32,        // in rows of x
    pad3: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

// [column][four rows]
var<workgroup> x_tile: array<vec4<Held>, 512>;   // DEPTH * QUADS
var<workgroup> w_tile: array<vec4<Held>, 512>;

// Four columns of a row of x or W; zeros past the last column.
fn of_x(row: u32, quad: u32, quads: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), x[row + min(quad, quads - 1u)], quad < quads);
}

fn of_w(row: u32, quad: u32, quads: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), w[row + min(quad, quads - 1u)], quad < quads);
}

// Stores four rows by four columns of each, transposed.
fn fill(x_rows: vec4<u32>, w_rows: vec4<u32>, quad: u32, quads: u32, to: u32) {
    let x0 = of_x(x_rows.x, quad, quads);
    let x1 = of_x(x_rows.y, quad, quads);
    let x2 = of_x(x_rows.z, quad, quads);
    let x3 = of_x(x_rows.w, quad, quads);
    x_tile[to] = held(vec4<f32>(x0.x, x1.x, x2.x, x3.x));
    x_tile[to + QUADS] = held(vec4<f32>(x0.y, x1.y, x2.y, x3.y));
    x_tile[to + 2u * QUADS] = held(vec4<f32>(x0.z, x1.z, x2.z, x3.z));
    x_tile[to + 3u * QUADS] = held(vec4<f32>(x0.w, x1.w, x2.w, x3.w));
    let w0 = of_w(w_rows.x, quad, quads);
    let w1 = of_w(w_rows.y, quad, quads);
    let w2 = of_w(w_rows.z, quad, quads);
    let w3 = of_w(w_rows.w, quad, quads);
    w_tile[to] = held(vec4<f32>(w0.x, w1.x, w2.x, w3.x));
    w_tile[to + QUADS] = held(vec4<f32>(w0.y, w1.y, w2.y, w3.y));
    w_tile[to + 2u * QUADS] = held(vec4<f32>(w0.z, w1.z, w2.z, w3.z));
    w_tile[to + 3u * QUADS] = held(vec4<f32>(w0.w, w1.w, w2.w, w3.w));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_output = (params.first_tile + group.x) * (TILE >> GATED);
    let first_x = (params.first_x_tile + group.y) * TILE;
    // This thread's place when filling the tiles: four rows, an eighth of the columns at a time.
    let fill_quad = thread % QUADS;
    let fill_part = thread / QUADS;
    var w_row = first_output + fill_quad * 4u;
    var w_end = params.w_rows;
    if (GATED == 1u) {
        w_end = w_end / 2u;
        if (fill_quad >= QUADS / 2u) {
            w_row += w_end - HALF;
            w_end = params.w_rows;
        }
    }
    // Rows past the end are replaced by the last row; their results are not stored.
    let four = vec4<u32>(0u, 1u, 2u, 3u);
    let x_rows = min(first_x + fill_quad * 4u + four, vec4<u32>(params.rows - 1u));
    let w_rows = min(w_row + four, vec4<u32>(w_end - 1u));
    let quads = params.columns / 4u;
    let x_first = x_rows * quads;
    let w_first = w_rows * quads;
    // This thread's place in the results.
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

    for (var first = 0u; first < quads; first += DEPTH / 4u) {
        fill(x_first, w_first, first + fill_part, quads, fill_part * 4u * QUADS + fill_quad);
        fill(x_first, w_first, first + fill_part + 4u, quads, (fill_part + 4u) * 4u * QUADS + fill_quad);
        workgroupBarrier();
        for (var column = 0u; column < DEPTH; column += 1u) {
            let at = column * QUADS;
            let x0 = vec4<f32>(x_tile[at + at_x]);
            let x1 = vec4<f32>(x_tile[at + 8u + at_x]);
            let w0 = vec4<f32>(w_tile[at + at_w]);
            let w1 = vec4<f32>(w_tile[at + 8u + at_w]);
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

    let output = first_output + at_w * 4u;
    let near = first_x + at_x * 4u;
    let far = near + HALF;
    store(near, output, c00, c01);
    store(near + 1u, output, c10, c11);
    store(near + 2u, output, c20, c21);
    store(near + 3u, output, c30, c31);
    store(far, output, c40, c41);
    store(far + 1u, output, c50, c51);
    store(far + 2u, output, c60, c61);
    store(far + 3u, output, c70, c71);
}
