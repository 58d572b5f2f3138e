// The norm of each row, for products with many rows (for few rows, `matvec.wgsl` computes it itself).
//
//   RMS    x / sqrt(mean(x^2) + eps) * weight
//   LAYER  (x - mean) / sqrt(variance + eps) * weight + bias, biased variance
//
//   x, out        [rows, channels]     channels = quads * 4
//   weight, bias  [channels]           bias where LAYER
//
// One workgroup per row. f32, portable limits; a variant sums with subgroup operations.

const WORKGROUP_SIZE: u32 = 64u;
// Replaced when the pipeline is made:
const LAYER: u32 = 0u;
const LANES: u32 = 1u;            // threads that sum with subgroup operations

struct Params {
    rows: u32,
    quads: u32,
    groups_x: u32,            // workgroups along x; further ones continue along y
    eps: f32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> weight: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

// The sum of `value` over all threads.
fn total(thread: u32, value: f32) -> f32 {
    var sum = value;
    //SUBGROUPS for (var step = 1u; step < LANES; step *= 2u) { sum += subgroupShuffleXor(sum, step); }
    partial[thread] = sum;
    workgroupBarrier();
    sum = 0.0;
    for (var i = 0u; i < WORKGROUP_SIZE; i += LANES) { sum += partial[i]; }
    workgroupBarrier();
    return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.y * params.groups_x + group.x;
    let quads = params.quads;
    let first = min(row, params.rows - 1u) * quads;
    let channels = f32(quads * 4u);

    var mean = 0.0;
    if (LAYER == 1u) {
        var sum = vec4<f32>(0.0);
        for (var quad = thread; quad < quads; quad += WORKGROUP_SIZE) { sum += x[first + quad]; }
        mean = total(thread, dot(sum, vec4<f32>(1.0))) / channels;
    }
    var squares = 0.0;
    for (var quad = thread; quad < quads; quad += WORKGROUP_SIZE) {
        let centred = x[first + quad] - mean;
        squares += dot(centred, centred);
    }
    let inverse = inverseSqrt(total(thread, squares) / channels + params.eps);
    if (row >= params.rows) { return; }
    for (var quad = thread; quad < quads; quad += WORKGROUP_SIZE) {
        var y = (x[first + quad] - mean) * inverse * weight[quad];
        if (LAYER == 1u) { y += bias[quad]; }
        out[first + quad] = y;
    }
}
