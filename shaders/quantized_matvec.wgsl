// y = x W^T for few rows of x, W quantised (docs/FORMAT.md): weights are dequantised where they are used, so that
// each is read once, in 4 or 8 bits. Fuses the same operations as `matvec.wgsl`.
//
//   x            [rows, columns]     columns = blocks * 32
//   norm_weight  [columns], where NORM
//   w            codes, then block scales, of `w_rows` rows of W, in the layout of a shard
//   row_scales   [w_rows]
//   bias         [outputs], if its flag is set
//   residual     [rows, outputs], if its flag is set
//   out          [rows, outputs]     this launch writes the columns from first_output on
//
// One workgroup: ROWS rows of W with one row of x. A thread processes EIGHT rows and every LANES-th block of columns,
// so that what it reads of x is used for all eight. If GATED, four of the eight are rows of the gate, four are rows
// that it gates. Narrow matrices use fewer lanes, so that every lane has a block. Codes are masked in place instead
// of shifted: the power of two of their position is folded into constant factors. f32, portable limits; a variant
// sums with subgroup operations.

const WORKGROUP_SIZE: u32 = 64u;
const EIGHT: u32 = 8u;
const BLOCK: u32 = 32u;
// Replaced when the pipeline is made:
const LANES: u32 = 32u;           // a power of two, at least four
const BITS: u32 = 4u;             // or 8
const NORM: u32 = 0u;             // 1: x is RMS-normalised first
const GATED: u32 = 0u;            // 1: the first half of W's rows is a gate for the rest, y = silu(gate) * up

const ROWS: u32 = WORKGROUP_SIZE / LANES * EIGHT;
const ROWS_DONE: u32 = ROWS >> GATED;

struct Params {
    columns: u32,
    w_rows: u32,
    outputs: u32,             // of a row of out
    first_output: u32,
    rows: u32,                // of x
    groups_x: u32,            // workgroups along x; further ones continue along y
    flags: u32,
    eps: f32,
    block_scales: u32,        // index of the first word of the block scales
    first_tile: u32,          // in ROWS rows of W: the first tile of this launch
    pad0: u32,
    pad1: u32,
}

// The 32 values of x that one block of a row of W is multiplied with.
struct Columns {
    x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>,
    x4: vec4<f32>, x5: vec4<f32>, x6: vec4<f32>, x7: vec4<f32>,
}

@group(0) @binding(0) var<storage, read_write> x: array<Columns>;
@group(0) @binding(1) var<storage, read_write> norm_weight: array<Columns>;
@group(0) @binding(2) var<storage, read_write> w: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> row_scales: array<f32>;
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> residual: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

var<workgroup> partial: array<vec4<f32>, 128>;   // [half of the eight rows][thread]
var<workgroup> squares: array<f32, 64>;

fn word(index: u32) -> u32 { return w[index >> 2u][index & 3u]; }

fn weighted(c: Columns, block: u32) -> Columns {
    if (NORM == 0u) { return c; }
    let n = norm_weight[block];
    return Columns(c.x0 * n.x0, c.x1 * n.x1, c.x2 * n.x2, c.x3 * n.x3, c.x4 * n.x4, c.x5 * n.x5, c.x6 * n.x6, c.x7 * n.x7);
}

// Eight 4-bit codes. At position i, code c appears as c * 16^i; with t = c - 8 its value is t + t^3 / 128. The
// highest code holds the word's sign bit, so that flipping its top bit makes it signed.
fn eight_products(codes: u32, x0: vec4<f32>, x1: vec4<f32>) -> f32 {
    let word = vec4<i32>(i32(codes ^ 0x80000000u));
    let a = vec4<f32>(word & vec4<i32>(0xf, 0xf0, 0xf00, 0xf000)) - vec4<f32>(8.0, 128.0, 2048.0, 32768.0);
    let b = vec4<f32>(word & vec4<i32>(0xf0000, 0xf00000, 0xf000000, -0x10000000))
        - vec4<f32>(524288.0, 8388608.0, 134217728.0, 0.0);
    return dot(a * (a * a * vec4<f32>(0x1p-7, 0x1p-19, 0x1p-31, 0x1p-43) + vec4<f32>(1.0, 0x1p-4, 0x1p-8, 0x1p-12)), x0)
        + dot(b * (b * b * vec4<f32>(0x1p-55, 0x1p-67, 0x1p-79, 0x1p-91) + vec4<f32>(0x1p-16, 0x1p-20, 0x1p-24, 0x1p-28)), x1);
}

// Four signed 8-bit codes: all but the highest are made unsigned by flipping their top bits.
fn four_products(codes: u32, x: vec4<f32>) -> f32 {
    let word = vec4<i32>(i32(codes ^ 0x808080u));
    let a = vec4<f32>(word & vec4<i32>(0xff, 0xff00, 0xff0000, -0x1000000)) - vec4<f32>(128.0, 32768.0, 8388608.0, 0.0);
    return dot(a * vec4<f32>(1.0, 0x1p-8, 0x1p-16, 0x1p-24), x);
}

// The left shift that moves a block's scale to the top byte of its word.
fn upwards(index: vec4<u32>) -> vec4<u32> { return 24u - (index & vec4<u32>(3u)) * 8u; }

// The product of a block of a row of W with the same columns of x.
fn block_product(index: u32, scales: u32, up: u32, c: Columns) -> f32 {
    // The scale is in the top byte, so the value is 2^24 times too large; `row_scale` corrects this.
    let scale = f32(i32((word(scales + (index >> 2u)) << up) & 0xff000000u));
    if (BITS == 4u) {
        let codes = w[index];
        return scale * (eight_products(codes.x, c.x0, c.x1) + eight_products(codes.y, c.x2, c.x3)
            + eight_products(codes.z, c.x4, c.x5) + eight_products(codes.w, c.x6, c.x7));
    }
    let low = w[index * 2u];
    let high = w[index * 2u + 1u];
    return scale * (four_products(low.x, c.x0) + four_products(low.y, c.x1) + four_products(low.z, c.x2)
        + four_products(low.w, c.x3) + four_products(high.x, c.x4) + four_products(high.y, c.x5)
        + four_products(high.z, c.x6) + four_products(high.w, c.x7));
}

// With subgroups, the sum over the lanes of a group; otherwise the lane's own value, and `total` sums.
fn over_lanes(value: vec4<f32>) -> vec4<f32> {
    var sum = value;
    //SUBGROUPS for (var step = 1u; step < LANES; step *= 2u) { sum += subgroupShuffleXor(sum, step); }
    return sum;
}

// The number of partial sums of a group that `total` still adds.
fn parts() -> u32 {
    var count = LANES;
    //SUBGROUPS count = 1u;
    return count;
}

// The sum over a group's lanes for one of its eight rows.
fn total(lanes: u32, of_eight: u32) -> f32 {
    let first = (of_eight >> 2u) * WORKGROUP_SIZE + lanes * LANES;
    let of_four = of_eight & 3u;
    var sum = 0.0;
    for (var i = 0u; i < parts(); i += 1u) { sum += partial[first + i][of_four]; }
    return sum;
}

// The row's scale, divided by the 2^24 that the blocks' scales contain.
fn row_scale(row: u32) -> f32 { return row_scales[row] * 0x1p-24; }

// 1 / sqrt(mean square of x + eps).
fn norm() -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < parts(); i += 1u) { sum += squares[i]; }
    return inverseSqrt(sum / f32(params.columns) + params.eps);
}

// Output `output`, the workgroup's number `index`.
fn product(index: u32, output: u32, inverse: f32) -> f32 {
    if (GATED == 0u) { return total(index / EIGHT, index % EIGHT) * row_scale(output) * inverse; }
    let gate = total(index / 4u, index % 4u) * row_scale(output) * inverse;
    let up = total(index / 4u, 4u + index % 4u) * row_scale(params.w_rows / 2u + output) * inverse;
    return gate / (1.0 + exp(-gate)) * up;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let blocks = params.columns / BLOCK;
    let first_output = (params.first_tile + group.y * params.groups_x + group.x) * ROWS_DONE;
    let outputs = params.w_rows >> GATED;
    let row = first_output + thread / LANES * (EIGHT >> GATED);
    // Rows past the end are replaced by the last row; their results are not stored.
    let near = min(vec4<u32>(row) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(outputs - 1u));
    var far = near + outputs;
    if (GATED == 0u) { far = min(vec4<u32>(row) + vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(outputs - 1u)); }
    let i = near * blocks;
    let j = far * blocks;
    let scales = params.block_scales;
    let x_first = group.z * blocks;

    var low = vec4<f32>(0.0);
    var high = vec4<f32>(0.0);
    var square = vec4<f32>(0.0);
    // The step from block to block is a multiple of four, so the shifts stay the same.
    let i_up = upwards(i + thread % LANES);
    let j_up = upwards(j + thread % LANES);
    for (var block = thread % LANES; block < blocks; block += LANES) {
        let raw = x[x_first + block];
        if (NORM == 1u) {
            square += raw.x0 * raw.x0 + raw.x1 * raw.x1 + raw.x2 * raw.x2 + raw.x3 * raw.x3
                + raw.x4 * raw.x4 + raw.x5 * raw.x5 + raw.x6 * raw.x6 + raw.x7 * raw.x7;
        }
        let c = weighted(raw, block);
        low += vec4<f32>(block_product(i.x + block, scales, i_up.x, c), block_product(i.y + block, scales, i_up.y, c),
            block_product(i.z + block, scales, i_up.z, c), block_product(i.w + block, scales, i_up.w, c));
        high += vec4<f32>(block_product(j.x + block, scales, j_up.x, c), block_product(j.y + block, scales, j_up.y, c),
            block_product(j.z + block, scales, j_up.z, c), block_product(j.w + block, scales, j_up.w, c));
    }
    partial[thread] = over_lanes(low);
    partial[WORKGROUP_SIZE + thread] = over_lanes(high);
    if (NORM == 1u) { squares[thread] = dot(over_lanes(square), vec4<f32>(1.0)); }
    workgroupBarrier();

    var inverse = 1.0;
    if (NORM == 1u && thread < ROWS_DONE) { inverse = norm(); }
    for (var index = thread; index < ROWS_DONE; index += WORKGROUP_SIZE) {
        let output = first_output + index;
        if (output < outputs) { finish(group.z, output, product(index, output, inverse)); }
    }
}
