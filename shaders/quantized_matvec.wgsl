// y = x W^T for few rows of x, W quantised (docs/FORMAT.md): weights are dequantised where they are used, so that
// each is fetched once, in 4 or 8 bits.
//
//   x    [rows, columns]     columns = blocks * 32
//   w    codes, then block scales, of `piece_rows` rows of W, as they lie in a shard
//   row_scales  [piece_rows]
//   out  [rows, outputs]     this launch writes the columns first_output .. first_output + piece_rows
//
// One workgroup: ROWS rows of W against one row of x, LANES threads a row of W, each every LANES-th block.
// f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const ROWS: u32 = 4u;
const LANES: u32 = 16u;           // WORKGROUP_SIZE / ROWS
const BLOCK: u32 = 32u;

struct Params {
    columns: u32,
    piece_rows: u32,
    outputs: u32,
    first_output: u32,
    bits: u32,                // 4 or 8
    block_scales: u32,        // index of the first word of the block scales
    groups_x: u32,            // workgroups along x: what does not fit there goes on along y
    pad: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

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
    let row = (group.y * params.groups_x + group.x) * ROWS + thread / LANES;
    let lane = thread % LANES;
    let blocks = params.columns / BLOCK;
    let x_row = group.z;

    var sum = 0.0;
    if (row < params.piece_rows) {
        for (var block = lane; block < blocks; block += LANES) {
            let index = row * blocks + block;
            let first = x_row * params.columns + block * BLOCK;
            var products = 0.0;
            if (params.bits == 4u) {
                for (var i = 0u; i < 4u; i += 1u) {
                    let codes = w[index * 4u + i];
                    for (var j = 0u; j < 8u; j += 1u) {
                        products += level((codes >> (j * 4u)) & 15u) * x[first + i * 8u + j];
                    }
                }
            } else {
                for (var i = 0u; i < 8u; i += 1u) {
                    let codes = w[index * 8u + i];
                    for (var j = 0u; j < 4u; j += 1u) {
                        products += signed_byte(codes, j) * x[first + i * 4u + j];
                    }
                }
            }
            sum += products * signed_byte(w[params.block_scales + index / 4u], index % 4u);
        }
    }
    partial[thread] = sum;
    workgroupBarrier();

    if (lane == 0u && row < params.piece_rows) {
        var total = 0.0;
        for (var i = 0u; i < LANES; i += 1u) { total += partial[thread + i]; }
        out[x_row * params.outputs + params.first_output + row] = total * row_scales[row];
    }
}
