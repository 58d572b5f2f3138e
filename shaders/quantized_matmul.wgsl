// y = x W^T for many rows of x, W quantised (docs/FORMAT.md): a tile of weights is dequantised into workgroup
// memory once for all rows of the tile of x.
//
//   x    [rows, columns]     columns = blocks * 32
//   w    codes, then block scales, of `piece_rows` rows of W, as they lie in a shard
//   row_scales  [piece_rows]
//   out  [rows, outputs]     this launch writes the columns first_output .. first_output + piece_rows
//
// One workgroup: TILE rows of x by TILE rows of W, one block of 32 columns at a time; each thread has 4 x 4 of
// the results. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const TILE: u32 = 32u;
const BLOCK: u32 = 32u;
const STRIDE: u32 = 36u;          // of a tile's columns: TILE and a little, so that writes spread over the banks

struct Params {
    columns: u32,
    piece_rows: u32,
    outputs: u32,
    first_output: u32,
    bits: u32,                // 4 or 8
    block_scales: u32,        // index of the first word of the block scales
    rows: u32,                // of x
    pad: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> x_tile: array<f32, 1152>;   // BLOCK * STRIDE: [column][row of x]
var<workgroup> w_tile: array<f32, 1152>;   // BLOCK * STRIDE: [column][row of W]

fn signed_byte(word: u32, index: u32) -> f32 {
    return f32(extractBits(i32(word), index * 8u, 8u));
}

// What a 4-bit code stands for: steps that widen from zero.
fn level(code: u32) -> f32 {
    let t = f32(code) - 8.0;
    return t + t * t * t / 128.0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_w = group.x * TILE;
    let first_x = group.y * TILE;
    let blocks = params.columns / BLOCK;
    // To fill the tiles: two threads a row, half a block each.
    let fill_row = thread / 2u;
    let fill_half = (thread % 2u) * 16u;
    let w_row = first_w + fill_row;
    let x_row = first_x + fill_row;
    var row_scale = 0.0;
    if (w_row < params.piece_rows) { row_scale = row_scales[w_row]; }
    // For the results.
    let at_x = (thread / 8u) * 4u;
    let at_w = (thread % 8u) * 4u;
    var acc: array<vec4<f32>, 4>;
    for (var i = 0u; i < 4u; i += 1u) { acc[i] = vec4<f32>(0.0); }

    for (var block = 0u; block < blocks; block += 1u) {
        if (w_row < params.piece_rows) {
            let index = w_row * blocks + block;
            let scale = row_scale * signed_byte(w[params.block_scales + index / 4u], index % 4u);
            if (params.bits == 4u) {
                for (var i = 0u; i < 2u; i += 1u) {
                    let codes = w[index * 4u + fill_half / 8u + i];
                    for (var j = 0u; j < 8u; j += 1u) {
                        w_tile[(fill_half + i * 8u + j) * STRIDE + fill_row] = scale * level((codes >> (j * 4u)) & 15u);
                    }
                }
            } else {
                for (var i = 0u; i < 4u; i += 1u) {
                    let codes = w[index * 8u + fill_half / 4u + i];
                    for (var j = 0u; j < 4u; j += 1u) {
                        w_tile[(fill_half + i * 4u + j) * STRIDE + fill_row] = scale * signed_byte(codes, j);
                    }
                }
            }
        } else {
            for (var i = 0u; i < 16u; i += 1u) { w_tile[(fill_half + i) * STRIDE + fill_row] = 0.0; }
        }
        for (var i = 0u; i < 16u; i += 1u) {
            var value = 0.0;
            if (x_row < params.rows) { value = x[x_row * params.columns + block * BLOCK + fill_half + i]; }
            x_tile[(fill_half + i) * STRIDE + fill_row] = value;
        }
        workgroupBarrier();
        for (var column = 0u; column < BLOCK; column += 1u) {
            let at = column * STRIDE;
            let weights = vec4<f32>(w_tile[at + at_w], w_tile[at + at_w + 1u], w_tile[at + at_w + 2u], w_tile[at + at_w + 3u]);
            for (var i = 0u; i < 4u; i += 1u) { acc[i] += x_tile[at + at_x + i] * weights; }
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < 4u; i += 1u) {
        for (var j = 0u; j < 4u; j += 1u) {
            let row = first_x + at_x + i;
            let output = first_w + at_w + j;
            if (row < params.rows && output < params.piece_rows) {
                out[row * params.outputs + params.first_output + output] = acc[i][j];
            }
        }
    }
}
