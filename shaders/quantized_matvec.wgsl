// y = x W^T for few rows of x, W quantised (docs/FORMAT.md): weights are dequantised where they are used, so that
// each is fetched once, in 4 or 8 bits.
//
//   x    [rows, columns]     columns = blocks * 32
//   w    codes, then block scales, of `piece_rows` rows of W, as they lie in a shard
//   row_scales  [piece_rows]
//   out  [rows, outputs]     this launch writes the columns first_output .. first_output + piece_rows
//
// One workgroup: ROWS rows of W against one row of x. A thread has EIGHT rows and every LANES-th block of columns:
// what it fetches of x serves all of them. f32, portable limits, no subgroups.

const WORKGROUP_SIZE: u32 = 64u;
const LANES: u32 = 32u;
const EIGHT: u32 = 8u;
const ROWS: u32 = 16u;            // WORKGROUP_SIZE / LANES * EIGHT
const BLOCK: u32 = 32u;
const BITS: u32 = 4u;             // or 8, replaced when the pipeline is made

struct Params {
    columns: u32,
    piece_rows: u32,
    outputs: u32,
    first_output: u32,
    block_scales: u32,        // index of the first word of the block scales
    groups_x: u32,            // workgroups along x: what does not fit there goes on along y
    pad0: u32,
    pad1: u32,
}

@group(0) @binding(0) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> w: array<u32>;
@group(0) @binding(2) var<storage, read_write> row_scales: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> partial: array<vec4<f32>, 128>;   // [half of the eight rows][thread]

// 32 values of x. For 4-bit codes the even and the odd ones of each eight.
struct Columns {
    a0: vec4<f32>, b0: vec4<f32>,
    a1: vec4<f32>, b1: vec4<f32>,
    a2: vec4<f32>, b2: vec4<f32>,
    a3: vec4<f32>, b3: vec4<f32>,
}

fn signed_byte(word: u32, index: u32) -> f32 {
    return f32(extractBits(i32(word), index * 8u, 8u));
}

// What 4-bit codes stand for, one in the lower half of each byte: steps that widen from zero.
fn levels(codes: u32) -> vec4<f32> {
    let t = unpack4x8unorm(codes & 0x0f0f0f0fu) * 255.0 - 8.0;
    return t * (t * t * 0.0078125 + 1.0);
}

fn eight_products(codes: u32, even: vec4<f32>, odd: vec4<f32>) -> f32 {
    return dot(levels(codes), even) + dot(levels(codes >> 4u), odd);
}

fn four_products(codes: u32, values: vec4<f32>) -> f32 {
    return dot(vec4<f32>((vec4<i32>(i32(codes)) << vec4<u32>(24u, 16u, 8u, 0u)) >> vec4<u32>(24u)), values);
}

// A block of a row of W with the same columns of x.
fn block_product(row: u32, block: u32, x: Columns) -> f32 {
    // A row behind the last is the last: nothing is made of it.
    let index = min(row, params.piece_rows - 1u) * (params.columns / BLOCK) + block;
    var products: f32;
    if (BITS == 4u) {
        let at = index * 4u;
        products = eight_products(w[at], x.a0, x.b0) + eight_products(w[at + 1u], x.a1, x.b1)
            + eight_products(w[at + 2u], x.a2, x.b2) + eight_products(w[at + 3u], x.a3, x.b3);
    } else {
        let at = index * 8u;
        products = four_products(w[at], x.a0) + four_products(w[at + 1u], x.b0)
            + four_products(w[at + 2u], x.a1) + four_products(w[at + 3u], x.b1)
            + four_products(w[at + 4u], x.a2) + four_products(w[at + 5u], x.b2)
            + four_products(w[at + 6u], x.a3) + four_products(w[at + 7u], x.b3);
    }
    return products * signed_byte(w[params.block_scales + index / 4u], index % 4u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first_row = (group.y * params.groups_x + group.x) * ROWS;
    let row = first_row + thread / LANES * EIGHT;
    let blocks = params.columns / BLOCK;
    let x_first = group.z * (params.columns / 4u);

    var low = vec4<f32>(0.0);
    var high = vec4<f32>(0.0);
    for (var block = thread % LANES; block < blocks; block += LANES) {
        let at = x_first + block * 8u;
        var c = Columns(x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
        if (BITS == 4u) {
            c = Columns(
                vec4<f32>(c.a0.xz, c.b0.xz), vec4<f32>(c.a0.yw, c.b0.yw),
                vec4<f32>(c.a1.xz, c.b1.xz), vec4<f32>(c.a1.yw, c.b1.yw),
                vec4<f32>(c.a2.xz, c.b2.xz), vec4<f32>(c.a2.yw, c.b2.yw),
                vec4<f32>(c.a3.xz, c.b3.xz), vec4<f32>(c.a3.yw, c.b3.yw));
        }
        low += vec4<f32>(block_product(row, block, c), block_product(row + 1u, block, c),
            block_product(row + 2u, block, c), block_product(row + 3u, block, c));
        high += vec4<f32>(block_product(row + 4u, block, c), block_product(row + 5u, block, c),
            block_product(row + 6u, block, c), block_product(row + 7u, block, c));
    }
    partial[thread] = low;
    partial[WORKGROUP_SIZE + thread] = high;
    workgroupBarrier();

    // A thread for each row that is done.
    let output = first_row + thread;
    if (thread < ROWS && output < params.piece_rows) {
        let of_eight = thread % EIGHT;
        let first = of_eight / 4u * WORKGROUP_SIZE + thread / EIGHT * LANES;
        var total = 0.0;
        for (var i = 0u; i < LANES; i += 1u) { total += partial[first + i][of_eight % 4u]; }
        out[group.z * params.outputs + params.first_output + output] = total * row_scales[output];
    }
}
