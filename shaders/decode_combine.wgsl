// Combines the results of the splits of `decode_attention.wgsl` into the attention of few tokens to a long cache.
//
//   found  [rows, splits, head_dim + 4]     not yet divided; then a sum and a maximum
//   out    [rows, head_dim]                 rows = tokens * heads
//
// One thread per quad of channels. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;

struct Params {
    rows: u32,
    splits: u32,
    quads: u32,               // of head_dim
    pad: u32,
}

@group(0) @binding(0) var<storage, read_write> found: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let quads = params.quads;
    let index = group.x * WORKGROUP_SIZE + thread;
    if (index >= params.rows * quads) { return; }
    let first = index / quads * params.splits * (quads + 1u);
    let quad = index % quads;

    var largest = found[first + quads].y;
    for (var split = 1u; split < params.splits; split += 1u) {
        largest = max(largest, found[first + split * (quads + 1u) + quads].y);
    }
    var sum = 0.0;
    var mixed = vec4<f32>(0.0);
    for (var split = 0u; split < params.splits; split += 1u) {
        let at = first + split * (quads + 1u);
        let of_split = found[at + quads];
        let weight = exp(of_split.y - largest);
        sum += weight * of_split.x;
        mixed += weight * found[at + quad];
    }
    out[index] = mixed / sum;
}
