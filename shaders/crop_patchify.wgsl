// From the bytes of a resized picture to the patches of its views: cropping, normalisation and patching in one pass,
// without an intermediate copy of a view. The views of INF-LLaVA are those of DCM (paper eq. 9-17).
//
//   canvas  [height, width, 3] bytes, four to a word
//   out     [views, h * h, 3 * patch * patch] f32, a patch in the order channel, row, column
//
//   PIXELS (top, left, step), pixel (y, x):  canvas[top + step * y, left + step * x]
//   WHOLE (step), pixel (y, x):              bicubic (a = -0.75, border clamped) at step * (y + 0.5) - 0.5
//
// One thread per element.

const WORKGROUP_SIZE: u32 = 256u;
const WHOLE: u32 = 1u;

struct Params {
    width: u32,            // of the canvas
    height: u32,
    view_px: u32,
    patch_px: u32,
    view_count: u32,
    groups_x: u32,         // workgroups along x; further ones continue along y
    pad0: u32,
    pad1: u32,
    mean: vec4<f32>,
    deviation: vec4<f32>,
    views: array<vec4<u32>, 64>, // top, left, step, kind
}

@group(0) @binding(0) var<storage, read_write> canvas: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

fn pixel(y: u32, x: u32, channel: u32) -> f32 {
    let index = (y * params.width + x) * 3u + channel;
    let byte = (canvas[index / 4u] >> (8u * (index % 4u))) & 0xffu;
    return (f32(byte) / 255.0 - params.mean[channel]) / params.deviation[channel];
}

// Weight of the tap at distance `t` from the sampled point, PyTorch's cubic with a = -0.75.
fn cubic(t: f32) -> f32 {
    let a = -0.75;
    let x = abs(t);
    if (x <= 1.0) { return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0; }
    if (x < 2.0) { return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a; }
    return 0.0;
}

fn whole(step: f32, y: u32, x: u32, channel: u32) -> f32 {
    let last_y = i32(params.height) - 1;
    let last_x = i32(params.width) - 1;
    let source_y = step * (f32(y) + 0.5) - 0.5;
    let source_x = step * (f32(x) + 0.5) - 0.5;
    let floor_y = i32(floor(source_y));
    let floor_x = i32(floor(source_x));
    var sum = 0.0;
    for (var i = -1; i < 3; i += 1) {
        let weight_y = cubic(source_y - f32(floor_y + i));
        let tap_y = u32(clamp(floor_y + i, 0, last_y));
        var row = 0.0;
        for (var j = -1; j < 3; j += 1) {
            let tap_x = u32(clamp(floor_x + j, 0, last_x));
            row += cubic(source_x - f32(floor_x + j)) * pixel(tap_y, tap_x, channel);
        }
        sum += weight_y * row;
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let patch_px = params.patch_px;
    let tokens_per_side = params.view_px / patch_px;
    let patch_len = 3u * patch_px * patch_px;
    let view_len = tokens_per_side * tokens_per_side * patch_len;
    let index = (group.y * params.groups_x + group.x) * WORKGROUP_SIZE + thread;
    if (index >= params.view_count * view_len) { return; }

    let token = (index % view_len) / patch_len;
    let element = index % patch_len;
    let channel = element / (patch_px * patch_px);
    let y = (token / tokens_per_side) * patch_px + (element / patch_px) % patch_px;
    let x = (token % tokens_per_side) * patch_px + element % patch_px;

    let view = params.views[index / view_len];
    if (view.w == WHOLE) {
        out[index] = whole(f32(view.z), y, x, channel);
    } else {
        out[index] = pixel(view.x + view.z * y, view.y + view.z * x, channel);
    }
}
