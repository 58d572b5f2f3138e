// y = x W^T for few rows of x, W in f32.
//
//   x    [rows, columns]     columns = quads * 4
//   w    [outputs, columns]
//   out  [rows, outputs]
//
// One workgroup: ROWS rows of W against one row of x. A thread has FOUR rows and every LANES-th quad of columns:
// what it fetches of x serves all of them. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const LANES: u32 = 16u;
const FOUR: u32 = 4u;
const ROWS: u32 = 16u;            // WORKGROUP_SIZE / LANES * FOUR

struct Params {
    quads: u32,               // of columns
    outputs: u32,
    groups_x: u32,            // workgroups along x: what does not fit there goes on along y
    pad: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> partial: array<vec4<f32>, 64>;

// Four columns of a row of W. A row behind the last is the last: nothing is made of it.
fn of_w(row: u32, quad: u32) -> vec4<f32> {
    return w[min(row, params.outputs - 1u) * params.quads + quad];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_row = (group.y * params.groups_x + group.x) * ROWS;
    let row = first_row + thread / LANES * FOUR;

    var sums = vec4<f32>(0.0);
    for (var quad = thread % LANES; quad < params.quads; quad += LANES) {
        let values = x[group.z * params.quads + quad];
        sums += vec4<f32>(dot(of_w(row, quad), values), dot(of_w(row + 1u, quad), values),
            dot(of_w(row + 2u, quad), values), dot(of_w(row + 3u, quad), values));
    }
    partial[thread] = sums;
    workgroupBarrier();

    // A thread for each row that is done.
    let output = first_row + thread;
    if (thread < ROWS && output < params.outputs) {
        let first = thread / FOUR * LANES;
        var total = 0.0;
        for (var i = 0u; i < LANES; i += 1u) { total += partial[first + i][thread % FOUR]; }
        out[group.z * params.outputs + output] = total;
    }
}
