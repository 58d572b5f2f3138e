// The index of the largest value, the first of equals: greedy decoding's next token. If any value is not finite, the
// result is NOTHING, so that no wrong token is produced.
//
//   x    [count] f32
//   out  [1] u32
//
// One workgroup. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 256u;
const NOTHING: u32 = 0xffffffffu;
const LOWEST: f32 = -3.4028234e38;

struct Params {
    count: u32,
    pad0: u32,
    pad1: u32,
    pad2: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> values: array<f32, 256>;
var<workgroup> places: array<u32, 256>;
var<workgroup> broken: array<u32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) thread: u32) {
    var value = LOWEST;
    var place = NOTHING;
    var is_broken = 0u;
    for (var i = thread; i < params.count; i += WORKGROUP_SIZE) {
        let here = x[i];
        // Tested on the bits, since a compiler may assume that values are neither NaN nor infinite.
        is_broken |= select(0u, 1u, (bitcast<u32>(here) & 0x7f800000u) == 0x7f800000u);
        if (here > value || place == NOTHING) {
            value = here;
            place = i;
        }
    }
    values[thread] = value;
    places[thread] = place;
    broken[thread] = is_broken;
    workgroupBarrier();
    if (thread != 0u) { return; }
    for (var i = 1u; i < WORKGROUP_SIZE; i += 1u) {
        is_broken |= broken[i];
        let is_larger = values[i] > value || (values[i] == value && places[i] < place);
        if (places[i] != NOTHING && is_larger) {
            value = values[i];
            place = places[i];
        }
    }
    out[0] = select(place, NOTHING, is_broken == 1u);
}
