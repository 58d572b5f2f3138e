// y = x W^T for few rows of x, W in f32, with these fused operations:
//
//   x <- x / sqrt(mean(x^2) + eps) * norm_weight     where NORM
//   y <- silu(y of the upper half of W) * (y of the lower half)     where GATED
//   y <- y + bias, y <- activation(y), y <- y + residual     each where its flag is set, in this order
//
//   x            [rows, columns]     columns = quads * 4
//   norm_weight  [columns]
//   w            [w_rows, columns]
//   bias         [outputs]
//   residual     [rows, outputs]
//   out          [rows, outputs]     this launch writes the columns from first_output on
//
// One workgroup: ROWS rows of W with one row of x. A thread processes FOUR rows and every LANES-th quad of columns,
// so that what it reads of x is used for all four. If GATED, two of the four are rows of the gate, two are rows that
// it gates. f32, portable limits; a variant sums with subgroup operations.

const WORKGROUP_SIZE: u32 = 64u;
const LANES: u32 = 8u;
const FOUR: u32 = 4u;
const ROWS: u32 = 32u;            // WORKGROUP_SIZE / LANES * FOUR
// Replaced when the pipeline is made:
const NORM: u32 = 0u;
const GATED: u32 = 0u;

struct Params {
    columns: u32,
    w_rows: u32,
    outputs: u32,             // of a row of out
    first_output: u32,
    rows: u32,                // of x
    groups_x: u32,            // workgroups along x; further ones continue along y
    flags: u32,
    eps: f32,
    pad0: u32,
    first_tile: u32,          // in ROWS rows of W: the first tile of this launch
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> norm_weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> residual: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> partial: array<vec4<f32>, 64>;
var<workgroup> squares: array<f32, 64>;

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

// The sum over a group's lanes for one of its four rows.
fn total(lanes: u32, of_four: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < parts(); i += 1u) { sum += partial[lanes * LANES + i][of_four]; }
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let quads = params.columns / 4u;
    let gated_rows = params.w_rows / 2u;
    let tile = params.first_tile + group.y * params.groups_x + group.x;
    // Rows past the end are replaced by the last row; their results are not stored.
    var rows: vec4<u32>;
    if (GATED == 1u) {
        let gate = min(vec2<u32>(tile * ROWS / 2u + thread / LANES * FOUR / 2u) + vec2<u32>(0u, 1u), vec2<u32>(gated_rows - 1u));
        rows = vec4<u32>(gate, gate + gated_rows);
    } else {
        rows = min(vec4<u32>(tile * ROWS + thread / LANES * FOUR) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.w_rows - 1u));
    }
    let first = rows * quads;
    let x_first = group.z * quads;

    var sums = vec4<f32>(0.0);
    var square = 0.0;
    for (var quad = thread % LANES; quad < quads; quad += LANES) {
        let raw = x[x_first + quad];
        var values = raw;
        if (NORM == 1u) {
            square += dot(raw, raw);
            values = raw * norm_weight[quad];
        }
        sums += vec4<f32>(dot(w[first.x + quad], values), dot(w[first.y + quad], values),
            dot(w[first.z + quad], values), dot(w[first.w + quad], values));
    }
    partial[thread] = over_lanes(sums);
    if (NORM == 1u) { squares[thread] = over_lanes(vec4<f32>(square)).x; }
    workgroupBarrier();

    // One thread per output.
    var y: f32;
    var output: u32;
    if (GATED == 1u) {
        output = tile * ROWS / 2u + thread;
        if (thread >= ROWS / 2u || output >= gated_rows) { return; }
        y = total(thread / 2u, thread % 2u);
    } else {
        output = tile * ROWS + thread;
        if (thread >= ROWS || output >= params.w_rows) { return; }
        y = total(thread / FOUR, thread % FOUR);
    }
    var inverse = 1.0;
    if (NORM == 1u) {
        var sum = 0.0;
        for (var i = 0u; i < parts(); i += 1u) { sum += squares[i]; }
        inverse = inverseSqrt(sum / f32(params.columns) + params.eps);
    }
    y *= inverse;
    if (GATED == 1u) { y = y / (1.0 + exp(-y)) * total(thread / 2u, 2u + thread % 2u) * inverse; }
    finish(group.z, output, y);
}
