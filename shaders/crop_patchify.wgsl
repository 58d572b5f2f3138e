// DCM (spec/model.md, section 2, eq. 9-17): from the bytes of the resized square to the patches of
// the crops, cropped, normalised and cut in one pass. No crop is ever copied.
//
//   square  [S, S, 3] bytes, four to a word, S = N * P
//   out     [crops, h * h, 3 * patch * patch] f32, a patch in the order channel, row, column
//
//   local crop (r, c), pixel (y, x):   square[r * P + y, c * P + x]
//   global crop (r, c), pixel (y, x):  square[N * y + r, N * x + c]
//   low, pixel (y, x):                 bicubic (a = -0.75, border clamped) at N * (y + 0.5) - 0.5
//
// One thread an element.

const WORKGROUP_SIZE: u32 = 256u;
const LOCAL: u32 = 0u;
const GLOBAL: u32 = 1u;

struct Params {
    crops_per_side: u32,   // N
    crop_px: u32,          // P
    patch_px: u32,
    crop_count: u32,
    groups_x: u32,         // workgroups along x: what does not fit there goes on along y
    pad0: u32,
    pad1: u32,
    pad2: u32,
    mean: vec4<f32>,
    deviation: vec4<f32>,
    crops: array<vec4<u32>, 16>, // kind << 16 | row << 8 | column
}

@group(0) @binding(0) var<storage, read_write> square: array<u32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

fn pixel(y: u32, x: u32, channel: u32) -> f32 {
    let side = params.crops_per_side * params.crop_px;
    let index = (y * side + x) * 3u + channel;
    let byte = (square[index / 4u] >> (8u * (index % 4u))) & 0xffu;
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

fn low(y: u32, x: u32, channel: u32) -> f32 {
    let n = f32(params.crops_per_side);
    let last = i32(params.crops_per_side * params.crop_px) - 1;
    let source_y = n * (f32(y) + 0.5) - 0.5;
    let source_x = n * (f32(x) + 0.5) - 0.5;
    let floor_y = i32(floor(source_y));
    let floor_x = i32(floor(source_x));
    var sum = 0.0;
    for (var i = -1; i < 3; i += 1) {
        let weight_y = cubic(source_y - f32(floor_y + i));
        let tap_y = u32(clamp(floor_y + i, 0, last));
        var row = 0.0;
        for (var j = -1; j < 3; j += 1) {
            let tap_x = u32(clamp(floor_x + j, 0, last));
            row += cubic(source_x - f32(floor_x + j)) * pixel(tap_y, tap_x, channel);
        }
        sum += weight_y * row;
    }
    return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let patch_px = params.patch_px;
    let tokens_per_side = params.crop_px / patch_px;
    let patch_len = 3u * patch_px * patch_px;
    let crop_len = tokens_per_side * tokens_per_side * patch_len;
    let index = (group.y * params.groups_x + group.x) * WORKGROUP_SIZE + thread;
    if (index >= params.crop_count * crop_len) { return; }

    let crop = index / crop_len;
    let token = (index % crop_len) / patch_len;
    let element = index % patch_len;
    let channel = element / (patch_px * patch_px);
    let y = (token / tokens_per_side) * patch_px + (element / patch_px) % patch_px;
    let x = (token % tokens_per_side) * patch_px + element % patch_px;

    let descriptor = params.crops[crop / 4u][crop % 4u];
    let kind = descriptor >> 16u;
    let row = (descriptor >> 8u) & 0xffu;
    let column = descriptor & 0xffu;
    var value = 0.0;
    if (kind == LOCAL) {
        value = pixel(row * params.crop_px + y, column * params.crop_px + x, channel);
    } else if (kind == GLOBAL) {
        value = pixel(params.crops_per_side * y + row, params.crops_per_side * x + column, channel);
    } else {
        value = low(y, x, channel);
    }
    out[index] = value;
}
