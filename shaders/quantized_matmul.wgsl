// y = x W^T for many rows of x, W quantised (docs/FORMAT.md): a tile of weights is dequantised into workgroup memory
// once for all rows of the tile of x. Fuses the same operations as `matmul.wgsl`.
//
//   x         [rows, columns]     columns = blocks * 32
//   w         codes, then block scales, of `w_rows` rows of W, in the layout of a shard
//   row_scales  [w_rows]
//   bias      [outputs]
//   residual  [rows, outputs]
//   out       [rows, outputs]     this launch writes the columns from first_output on
//
// One workgroup: TILE rows of x by TILE rows of W, one block of columns at a time. A thread computes 8 x 8 results:
// four rows at 4 * its index, and four more half a tile further, so that neighbouring threads read neighbouring
// vectors. If GATED, the first half of a tile holds rows of the gate, the second half the rows that they gate. f32,
// portable limits, no subgroups; a variant holds f16 in its tiles.

//HALF enable f16;
// The type of the tiles: f16 in a variant; sums stay f32.
alias Held = f32;

const WORKGROUP_SIZE: u32 = 64u;
const TILE: u32 = 64u;
const QUADS: u32 = 16u;           // of rows in a tile: TILE / 4
const HALF: u32 = 32u;            // TILE / 2
const BLOCK: u32 = 32u;
// Replaced when the pipeline is made:
const BITS: u32 = 4u;             // or 8
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
    block_scales: u32,        // index of the first word of the block scales
    first_tile: u32,          // in rows of W: the first tile of this launch
    first_x_tile: u32,        // in rows of x
    pad2: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> row_scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

// [column][four rows]
var<workgroup> x_tile: array<vec4<Held>, 512>;   // BLOCK * QUADS
var<workgroup> w_tile: array<vec4<Held>, 512>;

fn word(index: u32) -> u32 { return w[index >> 2u][index & 3u]; }

// The scale of a block, relative to its row's scale.
fn block_scale(scales: u32, index: u32) -> f32 {
    return f32(i32(word(scales + (index >> 2u)) << (24u - (index & 3u) * 8u)) >> 24u);
}

// The values of four rows' 4-bit codes c, which `mask` selects in place and `unit` scales: with t = c - 8, t + t^3 /
// 128.
fn level(codes: vec4<u32>, mask: i32, unit: f32) -> vec4<f32> {
    let t = vec4<f32>(vec4<i32>(codes) & vec4<i32>(mask)) * unit - 8.0;
    return t * (t * t * 0x1p-7 + 1.0);
}

// As `level`, for the highest position, which holds the word's sign bit.
fn last_level(codes: vec4<u32>) -> vec4<f32> {
    let t = vec4<f32>(vec4<i32>((codes ^ vec4<u32>(0x80000000u)) & vec4<u32>(0xf0000000u))) * 0x1p-28;
    return t * (t * t * 0x1p-7 + 1.0);
}

// Four rows' 8-bit codes at bit 24 - `up`, sign-extended.
fn signed_bytes(codes: vec4<u32>, up: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>((codes << vec4<u32>(up)) & vec4<u32>(0xff000000u))) * 0x1p-24;
}

// Stores four rows by four columns of x, transposed.
fn fill_x(rows: vec4<u32>, quad: u32, to: u32) {
    let a = x[rows.x + quad];
    let b = x[rows.y + quad];
    let c = x[rows.z + quad];
    let d = x[rows.w + quad];
    x_tile[to] = held(vec4<f32>(a.x, b.x, c.x, d.x));
    x_tile[to + QUADS] = held(vec4<f32>(a.y, b.y, c.y, d.y));
    x_tile[to + 2u * QUADS] = held(vec4<f32>(a.z, b.z, c.z, d.z));
    x_tile[to + 3u * QUADS] = held(vec4<f32>(a.w, b.w, c.w, d.w));
}

// Stores eight columns of four rows of W, whose codes are the words at `index`.
fn fill_w(index: vec4<u32>, scale: vec4<f32>, to: u32) {
    if (BITS == 4u) {
        let codes = vec4<u32>(word(index.x), word(index.y), word(index.z), word(index.w));
        w_tile[to] = held(scale * level(codes, 0xf, 1.0));
        w_tile[to + QUADS] = held(scale * level(codes, 0xf0, 0x1p-4));
        w_tile[to + 2u * QUADS] = held(scale * level(codes, 0xf00, 0x1p-8));
        w_tile[to + 3u * QUADS] = held(scale * level(codes, 0xf000, 0x1p-12));
        w_tile[to + 4u * QUADS] = held(scale * level(codes, 0xf0000, 0x1p-16));
        w_tile[to + 5u * QUADS] = held(scale * level(codes, 0xf00000, 0x1p-20));
        w_tile[to + 6u * QUADS] = held(scale * level(codes, 0xf000000, 0x1p-24));
        w_tile[to + 7u * QUADS] = held(scale * last_level(codes));
        return;
    }
    for (var half = 0u; half < 2u; half += 1u) {
        let at = index * 2u + half;
        let codes = vec4<u32>(word(at.x), word(at.y), word(at.z), word(at.w));
        let first = to + half * 4u * QUADS;
        w_tile[first] = held(scale * signed_bytes(codes, 24u));
        w_tile[first + QUADS] = held(scale * signed_bytes(codes, 16u));
        w_tile[first + 2u * QUADS] = held(scale * signed_bytes(codes, 8u));
        w_tile[first + 3u * QUADS] = held(scale * signed_bytes(codes, 0u));
    }
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
    let of_rows = vec4<f32>(row_scales[w_rows.x], row_scales[w_rows.y], row_scales[w_rows.z], row_scales[w_rows.w]);
    let blocks = params.columns / BLOCK;
    let scales = params.block_scales;
    let x_first = x_rows * (params.columns / 4u);
    let w_first = w_rows * blocks;
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

    for (var block = 0u; block < blocks; block += 1u) {
        fill_x(x_first, block * 8u + fill_part, fill_part * 4u * QUADS + fill_quad);
        fill_x(x_first, block * 8u + fill_part + 4u, (fill_part + 4u) * 4u * QUADS + fill_quad);
        let index = w_first + block;
        let scale = of_rows * vec4<f32>(block_scale(scales, index.x), block_scale(scales, index.y),
            block_scale(scales, index.z), block_scale(scales, index.w));
        fill_w(index * 4u + fill_part, scale, fill_part * 8u * QUADS + fill_quad);
        workgroupBarrier();
        for (var column = 0u; column < BLOCK; column += 1u) {
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
